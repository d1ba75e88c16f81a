"""How large the KV pool is where nobody says."""

from __future__ import annotations

import torch

from costream.engine.camera import Camera
from costream.engine.capacity import Scratch
from costream.engine.row_shape import RowShape
from costream.engine.stream_cost import StreamCost, WindowLayout, schedule_of
from costream.errors import SettingsError
from costream.models import ModelAdapter
from costream.settings import EngineSettings

POOL_SHARE = 0.7
"""Of the free memory less what a pass needs. Most of the rest is for the vision encoder's memories,
a quarter of what a quiet stream takes."""

MOST_ROWS = 1 << 20
"""Of a pool that nobody gave a size: small models would fill a GPU with rows that nobody needs."""

_CAMERA = Camera(1920, 1080, 25.0)
"""What a pass is counted for: no camera is known yet."""

_QUESTIONS = 4


def pool_memory(model: ModelAdapter, settings: EngineSettings, engines: int = 1) -> int | None:
    """Returns the bytes of a pool that nobody gave a size; None for as many as it needs.

    On a GPU it is bounded by what is free there, on a CPU it isn't.

    Args:
        model: the model, whose weights lie on the device already.
        settings: the engine's.
        engines: how many share the device.

    Raises:
        SettingsError: a pass takes all that is free.
    """
    device = model.kv_shape.device
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    # What torch has of the driver and nobody uses is free as well.
    cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return pool_bytes(model, settings, (free + cached) // engines)


def pool_bytes(model: ModelAdapter, settings: EngineSettings, free: int) -> int:
    """Returns the bytes of a pool on a device with so many that are free: see above.

    Raises:
        SettingsError: a pass takes all of them.
    """
    row, needed = RowShape(model.kv_shape, settings.packed), pass_bytes(model, settings)
    if free <= needed:
        raise SettingsError(
            f"{free / 2**30:.2f} GiB of the device are free beside the weights, and a pass takes "
            f"about {needed / 2**30:.2f} GiB: choose a smaller model or a smaller --frame-size, "
            "or say by --kv-memory what the pool may take"
        )
    return min(int(POOL_SHARE * (free - needed)), MOST_ROWS * row.bytes)


def pass_bytes(model: ModelAdapter, settings: EngineSettings) -> int:
    """Returns what a batch of windows of 1920x1080 writes beside the pool, kept whole."""
    schedule = schedule_of(model, settings)
    geometry = model.geometry(_CAMERA.width, _CAMERA.height, schedule.window, settings.frame_size)
    layout = WindowLayout.of(model, geometry, settings, _QUESTIONS)
    row = RowShape(model.kv_shape, settings.packed)
    cost = StreamCost.of(model, geometry, layout, row, share=1.0)
    scratch = Scratch.of(model, geometry, layout, cost, row)
    return scratch.gathered + scratch.activations
