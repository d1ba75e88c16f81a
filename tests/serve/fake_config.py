"""What a fake backend watches."""

from __future__ import annotations

from collections.abc import Mapping

from costream.serve.config.model import CameraConfig, QuestionConfig, ServiceConfig

HOSTILE = "<img src=x onerror=\"document.title='hacked'\"><script>alert(1)</script> & 'quotes'"
"""A name, and a sentence, that tries to become markup."""

QUESTIONS = {
    "person": QuestionConfig(ask="Is a person at the door?", name="Person at the door"),
    "fall": QuestionConfig(ask="Has a person fallen?"),
}


def config_of(cameras: int = 4, *, names: Mapping[str, str] | None = None) -> ServiceConfig:
    """Returns a configuration with so many cameras.

    Args:
        cameras: how many; they are called ``camera-1`` and so on.
        names: what people call them, by id, where that is not the id.
    """
    ids = [f"camera-{number}" for number in range(1, cameras + 1)]
    return ServiceConfig(
        questions=QUESTIONS,
        cameras={
            id: CameraConfig(
                url=f"rtsp://viewer:hunter2@10.0.0.{number}/stream?channel={number}",
                name=(names or {}).get(id),
                zones={"door": [(0.1, 0.2), (0.3, 0.2), (0.3, 0.5), (0.1, 0.5)]},
            )
            for number, id in enumerate(ids, 1)
        },
    )
