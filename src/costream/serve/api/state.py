"""Routes of the service itself: how it is doing, its sinks, its file."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse

from costream.serve.api.access import Granted, Service
from costream.serve.api.errors import ERRORS, refusal
from costream.serve.api.schema import Reloaded, Status
from costream.serve.backend import SinkStatus

router = APIRouter(responses=ERRORS)


@router.get("/api/status", tags=["service"], summary="How the service is doing")
def get_status(service: Service) -> Status:
    """Returns what the service runs on, what is wrong, and how many cameras fit."""
    return Status.model_validate(asdict(service.health()))


@router.get("/api/sinks", tags=["service"], summary="Who is told of events")
def list_sinks(service: Service) -> list[SinkStatus]:
    """Returns how each sink is doing."""
    return list(service.sinks())


@router.post("/api/reload", tags=["service"], summary="Read the service's file again")
def reload(service: Service) -> Reloaded:
    """Reads the service's file again and does what it says now."""
    return Reloaded(changes=list(service.reload()))


@router.get(
    "/healthz",
    tags=["health"],
    summary="Whether the service is alive",
    response_class=PlainTextResponse,
)
async def get_alive() -> str:
    """Answers ``ok``."""
    return "ok"


@router.get("/readyz", tags=["health"], summary="Whether the service is ready")
def get_ready(service: Service, rights: Granted) -> JSONResponse:
    """Answers 200, or 503 and why; the reasons are for those who may read."""
    health = service.health()
    if health.ready:
        return JSONResponse({"ready": True})
    reasons = "; ".join(health.problems) if rights.read else ""
    return refusal(503, f"not ready: {reasons or 'log in to see why'}")
