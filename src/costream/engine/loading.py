"""Loading a model, and making an engine of it."""

from __future__ import annotations

import torch
from transformers.utils import logging

from costream.engine.engine import Engine
from costream.engine.pool_memory import pool_memory
from costream.models import load_model
from costream.settings import EngineSettings


def load_engine(
    model: str,
    settings: EngineSettings,
    device: str | None,
    dtype: str | None = None,
    *,
    kv_memory: int | None = None,
    engines: int = 1,
) -> Engine:
    """Loads a model and makes an engine of it, without progress bars on standard error.

    Args:
        model: its name.
        settings: the engine's.
        device: a torch device, or None for the first GPU, else the CPU.
        dtype: of weights and cache, a name of torch's, or None for what suits the device.
        kv_memory: bytes of KV pools, or None for what suits the device.
        engines: how many share that, in equal parts; this is one of them.

    Raises:
        ModelError: the model can't be had.
        SettingsError: the settings don't fit it.
        PoolExhaustedError: the device has less memory than the pool is to take.
    """
    logging.disable_progress_bar()
    weights = None if dtype is None else getattr(torch, dtype)
    loaded = load_model(model, device=device, dtype=weights)
    told = None if kv_memory is None else kv_memory // engines
    memory = pool_memory(loaded, settings, engines) if told is None else told
    return Engine(loaded, settings, kv_memory=memory)
