"""Routes of events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from costream.serve.api.access import Service
from costream.serve.api.errors import ERRORS
from costream.serve.api.schema import EventDetail, EventId, EventList
from costream.serve.backend import EventQuery
from costream.serve.config.model import Name

router = APIRouter(prefix="/api/events", tags=["events"], responses=ERRORS)

MOST = 500
"""Events of a page."""

_Time = Annotated[float | None, Query(allow_inf_nan=False, ge=0, le=1e11)]
_Names = Annotated[list[Name] | None, Query(max_length=100)]


@router.get("", summary="Events, the newest first")
def list_events(
    service: Service,
    camera: _Names = None,
    question: _Names = None,
    after: _Time = None,
    before: _Time = None,
    active: bool | None = None,
    min_score: Annotated[float | None, Query(ge=0, le=1)] = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
) -> EventList:
    """Returns a page of events.

    ``camera`` and ``question`` may be given several times. ``after`` leaves out what ended before,
    ``before`` what began later; ``active`` takes those that last, or those that are over;
    ``cursor`` is ``next`` of the page before.
    """
    query = EventQuery(
        cameras=tuple(camera or ()),
        questions=tuple(question or ()),
        after=after,
        before=before,
        active=active,
        min_score=min_score,
        cursor=cursor,
        limit=limit,
    )
    page = service.events(query)
    return EventList(events=list(page.events), next=page.next)


@router.get("/{id}", summary="An event")
def get_event(service: Service, id: EventId) -> EventDetail:
    """Returns an event and the curve of its scores."""
    return EventDetail(
        event=service.event(id), curve=[list(point) for point in service.event_curve(id)]
    )


@router.delete("/{id}", status_code=204, summary="Remove an event")
def remove_event(service: Service, id: EventId) -> None:
    """Removes an event, its still and its clip."""
    service.remove_event(id)
