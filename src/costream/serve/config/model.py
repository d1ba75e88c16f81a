"""The configuration file of the service: every field, its default and what it may be.

Durations are written as seconds or with a unit: ``90``, ``90s``, ``5m``, ``12h``, ``30d``. Sizes of
data are written as bytes or with a unit: ``500MB``, ``20GiB``. Polygons are lists of points
``[x, y]`` in shares of the picture as it is displayed, 0 to 1 from its left and its top edge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, SecretStr, Tag

from costream.serve.config.text import LINE, PROSE
from costream.serve.config.units import Bytes, Seconds, Timeout
from costream.video.naming import masked

NAME = r"^[a-z0-9][a-z0-9_-]{0,62}$"
"""What a camera, a question, a zone or a mask may be called: it stands in URLs and topics."""

TIME = r"^([01]\d|2[0-3]):[0-5]\d$"
"""A time of day."""

PREFIX = r"^[^#+\s/\x00-\x1f\x7f]+(/[^#+\s/\x00-\x1f\x7f]+)*$"
"""What MQTT topics may begin with."""

PUSH, EDGE = "push", "edge"
"""The URLs of cameras that send their streams to the API: by themselves, and by costream edge."""

MOST_CAMERAS = 1000
MOST_QUESTIONS = 200
"""Of a service: far beyond what an engine answers for, and still changed in a moment by the API."""

MOST_POLYGONS = 100
"""Zones of a camera, and masks."""

Name = Annotated[str, Field(pattern=NAME)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Point = tuple[Share, Share]
Polygon = Annotated[list[Point], Field(min_length=3, max_length=64)]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Part(BaseModel):
    """A part of the configuration: unknown fields are errors, and it never changes.

    Passwords in URLs are in no ``repr``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, masked(value) if name == "url" and isinstance(value, str) else value


class AlertConfig(Part):
    """When scores become an event. What is not given is as the level above has it.

    Attributes:
        threshold: score from which an incident begins; by default the model's own for the question.
        release: score below which it is over, at most ``threshold``; by default 0.7 of it.
        for_: how long the score has to stay at the threshold before there is an event.
        cooldown: after an event's end, for how long a further incident continues that event.
        update_every: seconds between ``update`` messages while an event lasts; 0 for none.
        before: seconds of video before the incident that its clip begins with.
        after: seconds after it that the clip ends with.
        clip: whether a clip is cut from the camera's own bitstream.
        still: whether a still is taken.
        sentence: whether the model describes in a sentence what happens.
        max_clip: seconds after which the clip of an event that goes on is closed.
    """

    threshold: Share | None = None
    release: Share | None = None
    for_: Seconds | None = Field(None, alias="for")
    cooldown: Seconds | None = None
    update_every: Seconds | None = None
    before: Seconds | None = None
    after: Seconds | None = None
    clip: bool | None = None
    still: bool | None = None
    sentence: bool | None = None
    max_clip: Seconds | None = None


class ScheduleConfig(Part):
    """When a question is asked: on these days between these times of the service's time zone.

    Attributes:
        days: on which days a period begins; every day by default.
        from_: its beginning, ``HH:MM``.
        to: its end, ``HH:MM``; one at or before ``from`` is on the next day.
    """

    days: Annotated[list[Day], Field(min_length=1)] | None = None
    from_: str = Field("00:00", alias="from", pattern=TIME)
    to: str = Field("00:00", pattern=TIME)


Schedule = Annotated[list[ScheduleConfig], Field(min_length=1)]


class QuestionConfig(Part):
    """A question whose answer is yes or no.

    Attributes:
        ask: the question.
        name: what people call it; the question itself by default.
        zone: the camera's zone that it is asked about; the whole picture by default.
        schedule: when it is asked, each a period; always by default.
        alerts: when it becomes an event.
        enabled: whether it is asked.
    """

    ask: Annotated[str, Field(min_length=1, max_length=2000), PROSE]
    name: Annotated[str, Field(max_length=200), LINE] | None = None
    zone: Name | None = None
    schedule: Schedule | None = None
    alerts: AlertConfig = AlertConfig()
    enabled: bool = True


class QuestionOverride(Part):
    """What of a question is different before one camera; what is not given stays.

    Attributes:
        ask: the question.
        zone: the camera's zone that it is asked about; ``null`` for the whole picture.
        schedule: when it is asked; ``null`` for always.
        alerts: when it becomes an event.
        enabled: whether it is asked.
    """

    ask: Annotated[str, Field(min_length=1, max_length=2000), PROSE] | None = None
    zone: Name | None = None
    schedule: Schedule | None = None
    alerts: AlertConfig = AlertConfig()
    enabled: bool | None = None


def _form(value: Any) -> str:
    return "<mapping>" if isinstance(value, Mapping) else "<list>"


CameraQuestions = Annotated[
    Annotated[list[Name], Tag("<list>")]
    | Annotated[dict[Name, QuestionOverride], Tag("<mapping>")],
    Discriminator(_form),
]


class CameraConfig(Part):
    """A camera: where its stream is, what of it is seen, and what it is asked.

    Attributes:
        url: where its stream is: rtsp, rtsps, rtmp, srt, udp, http, https or a file; ``push`` where
            the camera sends its stream to the API itself; ``edge`` where ``costream edge`` does;
            ``synthetic:KIND`` for a demonstration.
        name: what people call it; its key by default.
        credentials_file: a file whose first line is ``user:password``.
        transport: how RTSP is carried.
        timeout: for how long it may be silent before it counts as lost.
        decode: ``auto`` decodes only what changed, where the bitstream tells; ``all`` everything.
        enabled: whether it is watched.
        zones: named polygons that questions can be asked about.
        masks: named polygons that the model never sees.
        questions: names of those that are asked, or names with what is different here; by default
            all that are about the whole picture or about a zone that this camera has.
        schedule: when it is watched at all; always by default.
        alerts: when its questions become events.
        loop: whether a file begins again at its end.
    """

    url: Annotated[str, Field(min_length=1, max_length=4096), LINE]
    name: Annotated[str, Field(max_length=200), LINE] | None = None
    credentials_file: str | None = None
    transport: Literal["tcp", "udp", "http", "udp_multicast"] = "tcp"
    timeout: Timeout = 10.0
    decode: Literal["auto", "all"] = "auto"
    enabled: bool = True
    zones: dict[Name, Polygon] = Field(default_factory=dict, max_length=MOST_POLYGONS)
    masks: dict[Name, Polygon] = Field(default_factory=dict, max_length=MOST_POLYGONS)
    questions: CameraQuestions | None = None
    schedule: Schedule | None = None
    alerts: AlertConfig = AlertConfig()
    loop: bool = False


class EngineConfig(Part):
    """The engine, which all cameras share.

    Attributes:
        device: a torch device; the first GPU where there is one, else the CPU.
        dtype: of weights and cache.
        kv_memory: most memory of keys and values.
        settings: fields of :class:`costream.settings.EngineSettings` by name, such as ``window``
            and ``stride``; what is not given is as the model recommends.
    """

    device: str | None = None
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    kv_memory: Bytes | None = None
    settings: dict[str, Any] = Field(default_factory=dict)


class ServerConfig(Part):
    """Where the API listens and who may use it.

    Attributes:
        host: address to listen on.
        port: port to listen on.
        token: what must come as ``Authorization: Bearer`` to change anything, and, unless the
            service listens on this machine alone, to read. Without one nothing can be changed.
        token_file: a file that holds it and nothing else.
        hosts: names under which the service may be reached, beside its own address.
        origins: pages elsewhere that may use the API from a browser.
        max_upload: largest video that is taken.
        idle_timeout: after how long a silent connection is closed.
        max_connections: most connections at a time.
        camera_schemes: schemes of stream URLs that may come by the API.
        camera_networks: networks that these may lead to beside the open internet, such as
            ``192.168.1.0/24``.
        tls_certificate: file of a certificate, for https.
        tls_key: file of its key.
    """

    host: str = "127.0.0.1"
    port: int = Field(8470, ge=0, le=65535)
    token: SecretStr | None = None
    token_file: str | None = None
    hosts: list[str] = Field(default_factory=list)
    origins: list[str] = Field(default_factory=list)
    max_upload: Bytes = 2 * 1024**3
    idle_timeout: Timeout = 30.0
    max_connections: int = Field(200, ge=1)
    camera_schemes: list[str] = Field(
        default_factory=lambda: [
            "rtsp",
            "rtsps",
            "rtmp",
            "rtmps",
            "srt",
            "http",
            "https",
            PUSH,
            EDGE,
        ]
    )
    camera_networks: list[str] = Field(default_factory=list)
    tls_certificate: str | None = None
    tls_key: str | None = None


class StoreConfig(Part):
    """Where events are kept and for how long.

    Attributes:
        url: an SQLAlchemy URL; a file of SQLite in the data folder by default.
        keep: how long events and their pictures are kept.
        max_media: most bytes of stills and clips; the oldest go first.
    """

    url: SecretStr | None = None
    keep: Seconds = 30 * 86400.0
    max_media: Bytes = 20 * 1024**3


EventChange = Literal["new", "update", "end"]


class Filter(Part):
    """Which events a sink is told of.

    Attributes:
        changes: of which changes of an event; of its beginning alone by default.
        cameras: of which cameras; of all by default.
        questions: of which questions; of all by default.
    """

    changes: tuple[EventChange, ...] = ("new",)
    cameras: list[Name] | None = None
    questions: list[Name] | None = None


class WebhookConfig(Filter):
    """Posts JSON to a URL, signed where there is a secret; retried until it is taken.

    Attributes:
        type: ``webhook``.
        url: where to.
        secret: what messages are signed with.
        headers: further headers, such as ``Authorization``.
        timeout: for how long an answer is waited for.
    """

    type: Literal["webhook"]
    url: SecretStr
    secret: SecretStr | None = None
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    timeout: Timeout = 10.0


class MqttConfig(Filter):
    """Publishes to an MQTT broker, with Home Assistant's discovery.

    Attributes:
        type: ``mqtt``.
        host: the broker's name or address.
        port: its port; 8883 is the usual one with ``tls``.
        username: who the service is there.
        password: its password.
        tls: whether the connection is encrypted and the broker's certificate is checked.
        prefix: what topics begin with.
        discovery: prefix of Home Assistant's discovery; ``null`` for none.
    """

    type: Literal["mqtt"]
    host: str
    port: int = Field(1883, ge=1, le=65535)
    username: str | None = None
    password: SecretStr | None = None
    tls: bool = False
    prefix: str = Field("costream", pattern=PREFIX, max_length=200)
    discovery: Annotated[str, Field(pattern=PREFIX, max_length=200)] | None = "homeassistant"


class CommandConfig(Filter):
    """Runs a program with the event as JSON on its standard input. From the file only.

    Attributes:
        type: ``command``.
        run: the program and its arguments, a list. There is no shell.
        timeout: after how long it is ended.
    """

    type: Literal["command"]
    run: Annotated[list[str], Field(min_length=1)]
    timeout: Timeout = 30.0


SinkConfig = Annotated[WebhookConfig | MqttConfig | CommandConfig, Field(discriminator="type")]


class ServiceConfig(Part):
    """The whole file.

    Attributes:
        model: a model of the hub, a folder, or an embedded one.
        data: folder of the store, stills and clips; beside the file where it is relative.
        timezone: of schedules, such as ``Europe/Berlin``; the machine's by default.
        engine: the engine that all cameras share.
        server: where the API listens and who may use it.
        store: what is kept.
        alerts: when scores become events, for all cameras and questions.
        questions: what is asked, by name.
        cameras: what is watched, by name.
        sinks: who is told of events, by name.
    """

    model: str = "costream/tiny"
    data: str = "costream-data"
    timezone: str | None = None
    engine: EngineConfig = EngineConfig()
    server: ServerConfig = ServerConfig()
    store: StoreConfig = StoreConfig()
    alerts: AlertConfig = AlertConfig()
    questions: dict[Name, QuestionConfig] = Field(default_factory=dict, max_length=MOST_QUESTIONS)
    cameras: dict[Name, CameraConfig] = Field(default_factory=dict, max_length=MOST_CAMERAS)
    sinks: dict[Name, SinkConfig] = Field(default_factory=dict)
