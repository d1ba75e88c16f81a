"""What Home Assistant is told so that it shows cameras as devices by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import costream
from costream.serve.config.watched import WatchedCamera, WatchedQuestion

ON, OFF = "ON", "OFF"
ONLINE, OFFLINE = "online", "offline"


@dataclass(frozen=True, slots=True)
class Topics:
    """Where things are published, below a prefix.

    Attributes:
        prefix: of all topics.
    """

    prefix: str

    @property
    def status(self) -> str:
        """Of the service: ``online`` or ``offline``."""
        return f"{self.prefix}/status"

    def of(self, camera: str, question: str, what: str) -> str:
        """Of one question before one camera: ``state``, ``attributes``, ``event`` or ``image``."""
        return f"{self.prefix}/{camera}/{question}/{what}"


class Discovery:
    """The configuration messages of a set of cameras.

    Args:
        root: the topic that Home Assistant looks below.
        topics: where states are.
    """

    def __init__(self, root: str, topics: Topics) -> None:
        self._root = root
        self._topics = topics
        self._node = topics.prefix.replace("/", "-")

    @property
    def birth(self) -> str:
        """Where Home Assistant says that it has started."""
        return f"{self._root}/status"

    @property
    def all(self) -> list[str]:
        """Returns filters of all configurations that a service of this prefix published."""
        return [f"{self._root}/{kind}/{self._node}/+/config" for kind in ("binary_sensor", "image")]

    def messages(self, cameras: Sequence[WatchedCamera]) -> Iterator[tuple[str, str]]:
        """Yields topics and the configurations that belong there, as JSON."""
        for camera in cameras:
            for question in camera.questions:
                for kind, entity in self._entities(camera, question):
                    # Names hold no capital letters: ids of different pairs differ.
                    id = f"{camera.id}-Q-{question.id}"
                    common = self._common(camera, f"{self._node}-{id}-{kind}")
                    topic = f"{self._root}/{kind}/{self._node}/{id}/config"
                    yield topic, json.dumps({**common, **entity}, ensure_ascii=False)

    def _entities(
        self, camera: WatchedCamera, question: WatchedQuestion
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        def topic(what: str) -> str:
            return self._topics.of(camera.id, question.id, what)

        yield (
            "binary_sensor",
            {
                "name": question.name,
                "state_topic": topic("state"),
                "payload_on": ON,
                "payload_off": OFF,
                "json_attributes_topic": topic("attributes"),
            },
        )
        yield (
            "image",
            {
                "name": f"{question.name} (still)",
                "image_topic": topic("image"),
                "content_type": "image/jpeg",
            },
        )

    def _common(self, camera: WatchedCamera, unique: str) -> dict[str, Any]:
        return {
            "unique_id": unique,
            "availability_topic": self._topics.status,
            "payload_available": ONLINE,
            "payload_not_available": OFFLINE,
            "device": {
                "identifiers": [f"{self._node}-{camera.id}"],
                "name": camera.name,
                "manufacturer": "CoStream",
                "model": "Camera",
            },
            "origin": {"name": "CoStream", "sw_version": costream.__version__},
        }
