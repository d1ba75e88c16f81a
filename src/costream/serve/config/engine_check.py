"""What is wrong with the model's name and the engine's settings. Without torch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from costream.checkpoints import (
    EMBEDDED,
    check_model,
    checkpoint_path,
    is_untrained,
    recommended_settings,
)
from costream.embedded import limit_of
from costream.errors import CoStreamError, SettingsError
from costream.serve.config.model import ServiceConfig
from costream.serve.config.problem import Path, suggestion
from costream.settings import EngineSettings
from costream.video.provenance import is_synthetic

_SETTINGS: Path = ("engine", "settings")
_DEVICE = re.compile(r"(cpu|mps|(cuda|xpu)(:\d+)?)")

_NAMED = 3
"""Cameras that a sentence names."""

_WIDEST = {"window": 1e9, "stride": 1e-9}
"""Any window or stride that is given fits these."""


def engine_flaws(config: ServiceConfig) -> Iterator[tuple[Path, str]]:
    """Yields where the model or the engine is wrong, and why."""
    device = config.engine.device
    if device is not None and not _DEVICE.fullmatch(device):
        yield ("engine", "device"), f"there is no device {device!r}: write cpu, cuda or cuda:1"
    given = config.engine.settings
    wrong = list(_setting_flaws(given))
    yield from wrong
    try:
        check_model(config.model)
        if not wrong:
            EngineSettings.preferring(given, _recommended(config.model))
    except SettingsError as error:
        yield _SETTINGS, str(error)
    except CoStreamError as error:
        yield ("model",), str(error)


def unfit_for(config: ServiceConfig) -> str | None:
    """Says that an embedded model is to watch cameras that it knows nothing of; else None.

    Cameras that are files are looked into, where the model is an embedded one.
    """
    if config.model not in EMBEDDED:
        return None
    real = [
        name
        for name, camera in config.cameras.items()
        if camera.enabled and not is_synthetic(camera.url)
    ]
    if not real:
        return None
    more = f" and {len(real) - _NAMED} more" if len(real) > _NAMED else ""
    return limit_of(config.model, ", ".join(real[:_NAMED]) + more)


def _setting_flaws(given: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Yields what is wrong with settings, each taken by itself."""
    known = EngineSettings.model_fields
    for name, value in given.items():
        if name not in known:
            hint = suggestion(name, list(known))
            yield (*_SETTINGS, name), f"there is no such setting{hint}"
            continue
        try:
            EngineSettings(**{**_WIDEST, name: value})
        except ValidationError as error:
            first = error.errors()[0]
            yield (*_SETTINGS, name), first["msg"][:1].lower() + first["msg"][1:]
        except SettingsError as error:
            yield (*_SETTINGS, name), str(error)


def _recommended(model: str) -> Mapping[str, Any]:
    """Returns what a model on this machine recommends; a hub is not asked."""
    here = is_untrained(model) or FilePath(checkpoint_path(model)).is_dir()
    return recommended_settings(model) if here else {}
