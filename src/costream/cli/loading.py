"""Loading a model for a command."""

from __future__ import annotations

import torch
from transformers.utils import logging

from costream.engine.engine import Engine
from costream.errors import SettingsError
from costream.models import load_model
from costream.settings import EngineSettings

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load_engine(
    model: str, settings: EngineSettings, device: str | None, dtype: str | None = None
) -> Engine:
    """Loads a model and makes an engine of it, without progress bars on standard error.

    Args:
        model: its name.
        settings: the engine's.
        device: a torch device, or None for the first GPU, else the CPU.
        dtype: of weights and cache, one of :data:`DTYPES`, or None for what suits the device.

    Raises:
        ModelError: the model can't be had.
        SettingsError: the settings don't fit it.
    """
    if dtype is not None and dtype not in DTYPES:
        raise SettingsError(f"unknown dtype {dtype!r}: choose one of {', '.join(DTYPES)}")
    logging.disable_progress_bar()
    return Engine(
        load_model(model, device=device, dtype=DTYPES[dtype] if dtype else None), settings
    )
