"""``costream serve --demo``: cameras of the synthetic world, without a file."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from costream.lab.synth.events import EVENTS, EventKind
from costream.serve.config.model import ServiceConfig

CAMERAS: dict[str, tuple[str, EventKind, int]] = {
    "hall": ("Entrance hall", "fall", 40),
    "shop": ("Shop", "stealing", 17),
    "car-park": ("Car park", "fighting", 132),
    "street": ("Street", "wrong_way", 16),
}
"""By id: its name, what happens there now and then, and the seed of such a place in which it first
happens within half a minute."""


def demo_config(data: Path) -> ServiceConfig:
    """Returns the configuration of the demonstration, with a token of its own.

    Args:
        data: folder of the store, stills and clips.
    """
    kinds = list(dict.fromkeys(kind for _, kind, _ in CAMERAS.values()))
    questions: dict[str, Any] = {
        kind.replace("_", "-"): {
            "ask": EVENTS[kind].questions[0],
            "name": EVENTS[kind].title.capitalize(),
        }
        for kind in kinds
    }
    cameras = {
        id: {"url": f"synthetic:{kind}:{seed}", "name": name}
        for id, (name, kind, seed) in CAMERAS.items()
    }
    return ServiceConfig.model_validate(
        {
            "model": "costream/tiny",
            "data": str(data),
            "server": {"token": secrets.token_urlsafe(16)},
            # A model of 6 million parameters answers yes or no; sentences are not its strength.
            "alerts": {"sentence": False, "cooldown": "10s"},
            "questions": questions,
            "cameras": cameras,
        }
    )
