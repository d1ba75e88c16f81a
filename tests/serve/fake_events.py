"""Events of a fake backend."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from costream.serve.backend import EventQuery
from costream.serve.config.model import QuestionConfig
from costream.serve.events.event import Event

SENTENCE = "A person in a bright coat walks from the left to the door and stands still there."

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def past(
    start: float, index: int, cameras: Sequence[str], questions: Mapping[str, QuestionConfig]
) -> Event:
    """Returns an event of the past: of all cameras and questions in turn."""
    question = list(questions)[index % len(questions)]
    return Event(
        id=ulid(start, index),
        camera=cameras[index % len(cameras)],
        question=question,
        ask=questions[question].ask,
        zone="door" if index % 5 == 0 else None,
        start=start,
        end=start + 8 + 7 * (index % 9),
        score=0.65 + 0.03 * (index % 10),
        threshold=0.6,
        sentence=None if index % 4 == 3 else SENTENCE,
        still=index % 6 != 5,
        clip=index % 3 != 2,
        interrupted=index % 11 == 10,
    )


def ulid(at: float, number: int) -> str:
    """Returns an id of 26 characters that sorts by time."""
    value = (int(at * 1000) << 80) | number
    return "".join(ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))


def matches(event: Event, query: EventQuery) -> bool:
    """Whether an event is one that is asked for."""
    end = event.end if event.end is not None else math.inf
    return (
        (not query.cameras or event.camera in query.cameras)
        and (not query.questions or event.question in query.questions)
        and (query.after is None or end > query.after)
        and (query.before is None or event.start < query.before)
        and (query.active is None or (event.end is None) == query.active)
        and (query.min_score is None or event.score >= query.min_score)
        and (query.cursor is None or event.id < query.cursor)
    )
