"""Loading a model for a command."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from costream.cli.checks import check_dtype
from costream.settings import EngineSettings

if TYPE_CHECKING:
    from costream.engine.engine import Engine


def load_engine(
    model: str,
    settings: EngineSettings,
    device: str | None,
    dtype: str | None = None,
    *,
    kv_memory: int | None = None,
    engines: int = 1,
) -> Engine:
    """Loads a model as :func:`costream.engine.loading.load_engine` does, the type checked before.

    Raises:
        CoStreamError: see there; and ``SettingsError`` where there is no type of that name.
    """
    check_dtype(dtype)
    from costream.engine import loading

    return loading.load_engine(model, settings, device, dtype, kv_memory=kv_memory, engines=engines)


def workers_for(device: str | None, sources: int) -> int:
    """Returns how many processes share sources: one a core on a CPU, one on a GPU.

    Args:
        device: a torch device, or None for the first GPU, else the CPU.
        sources: how many there are.
    """
    import torch

    on_cpu = device == "cpu" or (device is None and not torch.cuda.is_available())
    return min(len(os.sched_getaffinity(0)), sources) if on_cpu else 1
