"""The route of news, as they happen: Server-Sent Events."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Literal, get_args

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from costream.serve.api.access import Gate, Granted, LongLived, Service
from costream.serve.api.authority import Authority, Rights
from costream.serve.api.clients import Clients, Closing
from costream.serve.api.errors import ERRORS
from costream.serve.api.roster import roster
from costream.serve.api.schema import (
    EventNotice,
    Grid,
    MissedNotice,
    PreviewNotice,
    StateNotice,
    WindowNotice,
)
from costream.serve.backend import Backend, EventQuery
from costream.serve.config.model import Name
from costream.serve.events.event import Change, Event, EventMessage
from costream.serve.hub import Subscription
from costream.serve.status import News, Preview, StateNews, WindowNews

router = APIRouter(tags=["news"], responses=ERRORS)

Kind = Literal["preview", "window", "state", "event"]

_ALL = ",".join(get_args(Kind))
_ANY = "|".join(get_args(Kind))

HEARTBEAT = 15.0
"""Seconds of silence after which a comment is sent, so that nobody takes the stream for dead."""

REPLAYED = 500
"""Most events that are told again to whoever comes back."""

_RETRY = "retry: 2000\n\n"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

_EXAMPLE = 'event: state\ndata: {"camera": "yard", "status": null}\n\n'
_RESPONSES: dict[int | str, dict[str, object]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}}}
}


@router.get(
    "/api/stream",
    summary="News, as they happen",
    response_class=StreamingResponse,
    responses=_RESPONSES,
)
async def get_stream(
    service: Service,
    clients: LongLived,
    gate: Gate,
    rights: Granted,
    request: Request,
    camera: Annotated[list[Name] | None, Query(max_length=100)] = None,
    kinds: Annotated[str, Query(pattern=rf"^({_ANY})(,({_ANY}))*$", max_length=100)] = _ALL,
    last_event_id: Annotated[str | None, Header(max_length=40)] = None,
) -> StreamingResponse:
    """Tells what happens as Server-Sent Events until the client leaves.

    It begins with what is known of each camera. ``camera`` may be given several times; ``kinds``
    are any of ``preview``, ``window``, ``state`` and ``event``, with commas between. ``data`` of
    each is JSON: ``PreviewNotice``, ``WindowNotice``, ``StateNotice`` and ``EventNotice``.
    ``missed`` says how many news were left out for a client that is slow. Who comes back with
    ``Last-Event-ID`` is told the events that changed meanwhile, as they are now. It ends when the
    browser that listens logs out.
    """
    clients.admit()
    wanted = _wanted(frozenset(kinds.split(",")), frozenset(camera or ()))
    body = _news(service, clients, wanted, _moment(last_event_id), _may_read(gate, rights, request))
    return StreamingResponse(body, media_type="text/event-stream", headers=_HEADERS)


def _may_read(gate: Authority, rights: Rights, request: Request) -> Callable[[], bool]:
    """Returns what says whether who was let in still would be: sessions end, the token stays."""
    if rights.known != "session":
        return lambda: True
    return lambda: gate.rights(request).read


async def _news(
    service: Backend,
    clients: Clients,
    wanted: Callable[[News], bool],
    since: float | None,
    may_read: Callable[[], bool],
) -> AsyncIterator[str]:
    subscription = service.hub.subscribe(wanted)
    try:
        with clients.one():
            yield _RETRY
            known = await to_thread.run_sync(_snapshot, service, since)
            if not may_read():
                return
            for news in known:
                if wanted(news):
                    yield _encoded(news)
            async for text in _as_it_happens(subscription, clients):
                if not may_read():
                    return
                yield text
    finally:
        service.hub.leave(subscription)


async def _as_it_happens(subscription: Subscription, clients: Clients) -> AsyncIterator[str]:
    dropped = 0
    while True:
        try:
            news = await clients.wait(subscription.next(), HEARTBEAT)
        except TimeoutError:
            yield ": nothing new\n\n"
            continue
        except Closing:
            return
        if missed := subscription.dropped - dropped:
            dropped += missed
            clients.dropped += missed
            yield _server_sent("missed", MissedNotice(count=missed))
        yield _encoded(news)


def _snapshot(service: Backend, since: float | None) -> list[News]:
    """Returns what is known by now, and what happened to events since a moment."""
    hub = service.hub
    statuses = {camera.id: status for camera, status in roster(service)}
    known: list[News | None] = [StateNews(id, status) for id, status in statuses.items()]
    known += [hub.preview(id) for id in statuses]
    known += [hub.window(id) for id in statuses]
    known += [] if since is None else _missed_events(service, since)
    return [news for news in known if news is not None]


def _missed_events(service: Backend, since: float) -> Sequence[EventMessage]:
    """Returns the events that may have changed since a moment, the oldest first."""
    rules = [question.rule for camera in service.cameras() for question in camera.questions]
    # What happens to an event is known later: it has to last before, and to stay away after.
    late = max((rule.hold + rule.cooldown + rule.after for rule in rules), default=0.0) + 60.0
    page = service.events(EventQuery(after=since - late, limit=REPLAYED))
    return [
        EventMessage(_change(event, since - late), event, max(event.end or event.start, since))
        for event in reversed(page.events)
    ]


def _change(event: Event, since: float) -> Change:
    if event.end is not None:
        return "end"
    return "new" if event.start > since else "update"


def _wanted(kinds: frozenset[str], cameras: frozenset[str]) -> Callable[[News], bool]:
    def wanted(news: News) -> bool:
        camera = news.event.camera if isinstance(news, EventMessage) else news.camera
        return _kind(news) in kinds and (not cameras or camera in cameras)

    return wanted


def _kind(news: News) -> Kind:
    if isinstance(news, Preview):
        return "preview"
    if isinstance(news, WindowNews):
        return "window"
    return "state" if isinstance(news, StateNews) else "event"


def _encoded(news: News) -> str:
    id = f"{news.at:.6f}" if isinstance(news, EventMessage) else None
    return _server_sent(_kind(news), _notice(news), id)


def _notice(news: News) -> BaseModel:
    if isinstance(news, Preview):
        return PreviewNotice(
            camera=news.camera,
            at=news.at,
            tick=news.tick,
            still=f"/api/cameras/{news.camera}/still.jpg",
            motion=None if news.motion is None else Grid.of(news.motion),
        )
    if isinstance(news, WindowNews):
        return WindowNotice(
            camera=news.camera,
            index=news.index,
            at=news.at,
            scores=list(news.scores),
            kept=Grid.of_shares(news.kept),
            lag=news.lag,
        )
    if isinstance(news, StateNews):
        return StateNotice(camera=news.camera, status=news.status)
    return EventNotice(change=news.change, event=news.event, at=news.at)


def _server_sent(kind: str, notice: BaseModel, id: str | None = None) -> str:
    head = f"id: {id}\n" if id else ""
    return f"{head}event: {kind}\ndata: {notice.model_dump_json()}\n\n"


def _moment(last_event_id: str | None) -> float | None:
    """Returns the time of the last event that a client was told of, or None if it is no time."""
    try:
        moment = float(last_event_id or "")
    except ValueError:
        return None
    return moment if math.isfinite(moment) else None
