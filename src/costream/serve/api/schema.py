"""What the API takes and gives, as JSON. Times are seconds since 1970."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from fastapi import Path as PathParameter
from pydantic import BaseModel, ConfigDict, Field, JsonValue, create_model

from costream.serve.backend import NodeStatus
from costream.serve.config.model import (
    NAME,
    PUSH,
    CameraConfig,
    Name,
    Part,
    QuestionConfig,
    ScheduleConfig,
)
from costream.serve.config.watched import AlertRule, WatchedCamera, WatchedQuestion
from costream.serve.events.event import Change, Event
from costream.serve.status import CameraStatus, Score
from costream.video.naming import masked

Id = Annotated[str, PathParameter(pattern=NAME, description="Its name.", examples=["yard"])]
EventId = Annotated[
    str,
    PathParameter(
        pattern=r"^[0-9A-HJKMNP-TV-Z]{26}$",
        description="The event's id.",
        examples=["01K9ZV3M5T0000000000000007"],
    ),
]

_FILE_ONLY = frozenset({"credentials_file"})
"""Fields of a camera that only the service's file may hold: they name files of its machine."""

_YARD: dict[str, JsonValue] = {"url": "rtsp://viewer:secret@cam.example.com/stream", "name": "Yard"}


_FIELDS = {
    name: field for name, field in CameraConfig.model_fields.items() if name not in _FILE_ONLY
}


def _as_in_file() -> dict[str, Any]:
    return {name: (field.rebuild_annotation(), field) for name, field in _FIELDS.items()}


def _or_null() -> dict[str, Any]:
    return {name: (field.rebuild_annotation() | None, None) for name, field in _FIELDS.items()}


class _Settings(Part):
    model_config = ConfigDict(json_schema_extra={"examples": [_YARD]})


CameraSettings: type[BaseModel] = create_model(
    "CameraSettings",
    __base__=_Settings,
    __doc__="A camera as the service's file has it, but for what only the file may hold.",
    **_as_in_file(),
)

CameraNew: type[BaseModel] = create_model(
    "CameraNew",
    __base__=CameraSettings,
    __doc__="A camera that is added, and its name.",
    id=(Name, Field(description="Its name in URLs and topics.", examples=["yard"])),
)

CameraChange: type[BaseModel] = create_model(
    "CameraChange",
    __base__=_Settings,
    __doc__="What is to be different of a camera: what is not given stays, null is the default.",
    **{**_or_null(), "url": (_FIELDS["url"].rebuild_annotation(), PUSH)},
)


class Body(BaseModel):
    """A body of the API."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AskedQuestion(Body):
    """A question as one camera is asked it, with every default filled in.

    Attributes:
        id: its name.
        name: what people call it.
        ask: the question.
        zone: the camera's zone that it is asked about.
        schedule: when it is asked; empty for always.
        rule: when it becomes an event.
    """

    id: str
    name: str
    ask: str
    zone: str | None
    schedule: list[ScheduleConfig]
    rule: AlertRule

    @classmethod
    def of(cls, question: WatchedQuestion) -> AskedQuestion:
        """Returns a question of a camera."""
        return cls(
            id=question.id,
            name=question.name,
            ask=question.ask,
            zone=question.zone,
            schedule=list(question.schedule),
            rule=question.rule,
        )


class Camera(Body):
    """A camera.

    Attributes:
        id: its name in URLs and topics.
        name: what people call it.
        source: where it was configured.
        paused: whether the API paused it.
        settings: as it is configured, passwords masked.
        questions: those that it is asked.
        status: how it is doing.
    """

    id: str
    name: str
    source: Literal["file", "api"]
    paused: bool
    settings: dict[str, Any]
    questions: list[AskedQuestion]
    status: CameraStatus

    @classmethod
    def of(cls, camera: WatchedCamera, status: CameraStatus) -> Camera:
        """Returns a camera."""
        return cls.model_validate(
            {
                "id": camera.id,
                "name": camera.name,
                "source": camera.source,
                "paused": camera.paused,
                "settings": _shown(camera.config),
                "questions": [AskedQuestion.of(question) for question in camera.questions],
                "status": status,
            }
        )


class CameraList(Body):
    """All cameras, in the order in which they were configured."""

    cameras: list[Camera]


class Grid(Body):
    """A grid over the picture as it is displayed, from its top left corner, row by row.

    Attributes:
        rows: number of rows.
        cols: number of columns.
        values: base64 of one byte a block, 0 to 255.
    """

    rows: int
    cols: int
    values: str

    @classmethod
    def of(cls, values: npt.NDArray[np.uint8]) -> Grid:
        """Returns a grid of bytes."""
        rows, cols = values.shape
        return cls(rows=rows, cols=cols, values=base64.b64encode(values.tobytes()).decode())

    @classmethod
    def of_shares(cls, shares: npt.NDArray[np.float32]) -> Grid:
        """Returns a grid of shares of 0 to 1."""
        finite = np.nan_to_num(shares, nan=0.0)
        return cls.of((finite.clip(0, 1) * 255).round().astype(np.uint8))


class Scores(Body):
    """The last scores of a camera by question, the oldest first, and what its last window kept."""

    curves: dict[str, list[Score]]
    kept: Grid | None


class Questions(Body):
    """All questions by their names."""

    questions: dict[str, QuestionConfig]


class EventList(Body):
    """Events, the newest first; ``next`` is the cursor of the page after it, if there is one."""

    events: list[Event]
    next: str | None


class EventDetail(Body):
    """An event and its scores, as pairs of a time and a score."""

    event: Event
    curve: list[Annotated[list[float], Field(min_length=2, max_length=2)]]


class Status(Body):
    """How the service is doing.

    Attributes:
        ready: whether the model is loaded and the store can be written.
        problems: in sentences, what is wrong; the service may serve all the same.
        started: when it began.
        model: the model's name.
        settings: window, stride and fps of the engine, and others.
        pool_rows: rows of the KV pool that are taken, and that there are; null for as many as are
            needed.
        swaps: streams that made room for others so far.
        cameras_fit: how many cameras like these this machine carries; null while unknown.
        version: of CoStream.
        nodes: of a cluster; the figures above are sums over them.
    """

    ready: bool
    problems: list[str]
    started: float
    model: str
    settings: dict[str, Any]
    pool_rows: Annotated[list[int | None], Field(min_length=2, max_length=2)]
    swaps: int
    cameras_fit: float | None
    version: str
    nodes: list[NodeStatus] = []


class Reloaded(Body):
    """What a reload changed, in sentences."""

    changes: list[str]


class WantedStretch(Body):
    """A stretch of its stream that a camera's edge is asked for in full.

    Attributes:
        id: of the wish.
        seconds: back from when it is read.
    """

    id: int
    seconds: float


class EdgeTold(Body):
    """What an edge is told.

    Attributes:
        instance: who reads what it sends: another one knows nothing of what was sent before. Empty
            while nobody does.
        next: number of the record that is expected next.
        fps: at which the camera is to be sampled.
        busy: no more is taken for a moment.
        wanted: what is wanted in full.
    """

    instance: str
    next: int
    fps: float
    busy: bool
    wanted: list[WantedStretch]


class Pushed(Body):
    """How much of a pushed stream was taken.

    Attributes:
        bytes: of the body.
        edge: what an edge is told; left out for others.
    """

    bytes: int
    edge: EdgeTold | None = None


class Login(Body):
    """The service's token."""

    token: str = Field(max_length=4096, examples=["the token"])


class Session(Body):
    """What whoever asks may do.

    Attributes:
        read: whether they may look.
        change: whether they may change anything.
        token: whether the service has a token, so that one can log in.
    """

    read: bool
    change: bool
    token: bool


class PreviewNotice(Body):
    """A camera's picture is new: ``preview`` of the stream of news.

    Attributes:
        camera: the camera's id.
        at: when it was received.
        tick: its place on the sampling grid.
        still: where the picture is.
        motion: how much changed since the picture before.
    """

    camera: str
    at: float
    tick: int
    still: str
    motion: Grid | None


class WindowNotice(Body):
    """A window was answered: ``window`` of the stream of news.

    Attributes:
        camera: the camera's id.
        index: number of the window.
        at: its end.
        scores: one for each question.
        kept: the share of the window's new frames in which each merge group was encoded.
        lag: seconds from the window's last frame to the answers.
    """

    camera: str
    index: int
    at: float
    scores: list[Score]
    kept: Grid
    lag: float | None


class StateNotice(Body):
    """A camera was added or is doing otherwise, or was removed: ``state`` of the stream of news."""

    camera: str
    status: CameraStatus | None


class EventNotice(Body):
    """An event changed: ``event`` of the stream of news."""

    change: Change
    event: Event
    at: float


class MissedNotice(Body):
    """So many news were left out, as they were not taken: ``missed`` of the stream of news."""

    count: int


def _shown(config: CameraConfig) -> dict[str, Any]:
    """Returns what was configured of a camera, without secrets and names of files."""
    settings = config.model_dump(mode="json", by_alias=True, exclude_unset=True)
    kept = {name: value for name, value in settings.items() if name not in _FILE_ONLY}
    return {**kept, "url": masked(config.url)}
