"""Loading a model for a command."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from costream.cli.checks import check_dtype
from costream.settings import EngineSettings

if TYPE_CHECKING:
    from costream.engine.engine import Engine


def load_engine(
    model: str, settings: EngineSettings, device: str | None, dtype: str | None = None
) -> Engine:
    """Loads a model and makes an engine of it, without progress bars on standard error.

    Args:
        model: its name.
        settings: the engine's.
        device: a torch device, or None for the first GPU, else the CPU.
        dtype: of weights and cache, one of ``DTYPES``, or None for what suits the device.

    Raises:
        ModelError: the model can't be had.
        SettingsError: the settings don't fit it.
    """
    check_dtype(dtype)
    import torch
    from transformers.utils import logging

    from costream.engine.engine import Engine
    from costream.models import load_model

    logging.disable_progress_bar()
    weights = None if dtype is None else getattr(torch, dtype)
    return Engine(load_model(model, device=device, dtype=weights), settings)


def workers_for(device: str | None, sources: int) -> int:
    """Returns how many processes share sources: one a core on a CPU, one on a GPU.

    Args:
        device: a torch device, or None for the first GPU, else the CPU.
        sources: how many there are.
    """
    import torch

    on_cpu = device == "cpu" or (device is None and not torch.cuda.is_available())
    return min(len(os.sched_getaffinity(0)), sources) if on_cpu else 1
