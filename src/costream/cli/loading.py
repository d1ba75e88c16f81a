"""Loading a model for a command."""

from __future__ import annotations

from transformers.utils import logging

from costream.engine.engine import Engine
from costream.models import load_model
from costream.settings import EngineSettings


def load_engine(model: str, settings: EngineSettings, device: str | None) -> Engine:
    """Loads a model and makes an engine of it, without progress bars on standard error.

    Raises:
        ModelError: the model can't be had.
        SettingsError: the settings don't fit it.
    """
    logging.disable_progress_bar()
    return Engine(load_model(model, device=device), settings)
