"""Routes by which a browser logs in and out."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from costream.serve.api.access import Gate, Granted, Server
from costream.serve.api.authority import COOKIE, HOW_TO_SET
from costream.serve.api.errors import ERRORS
from costream.serve.api.schema import Login, Session
from costream.serve.api.sessions import LIFETIME

router = APIRouter(prefix="/api", tags=["login"], responses=ERRORS)


@router.get("/session", summary="What whoever asks may do")
async def get_session(gate: Gate, rights: Granted) -> Session:
    """Says whether one may read and change, or has to log in."""
    return Session(read=rights.read, change=rights.change, token=gate.has_token)


@router.post("/login", summary="Log in", response_model=Session)
async def log_in(gate: Gate, server: Server, login: Login) -> Response:
    """Takes the token and sets a cookie that stands for it in this browser."""
    if not gate.has_token:
        raise HTTPException(403, f"the service has no token: {HOW_TO_SET}")
    if not gate.is_token(login.token.strip()):
        raise HTTPException(401, "this is not the service's token")
    answer = Session(read=True, change=True, token=True)
    response = Response(answer.model_dump_json(), media_type="application/json")
    response.set_cookie(
        COOKIE,
        gate.sessions.start(),
        max_age=LIFETIME,
        secure=server.tls_certificate is not None,
        httponly=True,
        samesite="strict",
    )
    return response


@router.post("/logout", status_code=204, summary="Log out")
async def log_out(gate: Gate, request: Request) -> Response:
    """Ends the browser's session."""
    gate.sessions.end(request.cookies.get(COOKIE, ""))
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response
