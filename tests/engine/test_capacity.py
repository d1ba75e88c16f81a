"""How many cameras fit, and what a batch of their windows writes."""

from __future__ import annotations

import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from costream.engine.camera import Camera
from costream.engine.capacity import (
    Device,
    Scratch,
    _text_layer_bytes,
    _vision_layer_bytes,
    cameras_by_compute,
    cameras_by_decoding,
    cameras_by_memory,
    largest,
)
from costream.engine.row_shape import RowShape
from costream.engine.stream_cost import Rows, StreamCost, WindowLayout
from costream.models import SIZES, ModelAdapter, load_model, write_untrained
from costream.settings import EngineSettings
from tests.fakes import MaskedAttention, noise_pictures
from tests.models.common import job_of, whole

COST = StreamCost(
    rows=Rows(kept=900, labels=80, before=20, arriving=0, questions=0),
    row_bytes=1000,
    features=100_000,
    passing=0,
    memory=400_000,
    host=0,
    flops=10**12,
)
"""A stream of 1.5 MB and a TFLOP a window."""

DEVICE = Device(memory=10**9, tflops=2.0, cores=4, decode_fps=150)


def test_cameras_by_memory() -> None:
    assert cameras_by_memory(15_000_000, [COST]) == 10
    assert cameras_by_memory(14_999_999, [COST]) == 9
    assert cameras_by_memory(-1, [COST]) == 0
    larger = replace(COST, memory=1_400_000)
    assert cameras_by_memory(16_000_000, [COST, larger]) == 8


def test_cameras_by_compute() -> None:
    assert cameras_by_compute(2e12, 8.0, [COST]) == 16
    assert cameras_by_compute(2e12, 8.0, [COST, replace(COST, flops=3 * 10**12)]) == 8


def test_cameras_by_decoding() -> None:
    full, small = Camera(1920, 1080, 25), Camera(960, 540, 25)
    assert cameras_by_decoding(DEVICE, [full]) == 24
    assert cameras_by_decoding(DEVICE, [small]) == 96
    assert cameras_by_decoding(DEVICE, [full, small]) == 38


def test_scratch_serves_the_most_of_each_kind() -> None:
    assert largest([Scratch(1, 5, 3), Scratch(2, 4, 3)]) == Scratch(2, 5, 3)


def test_scratch_grows_with_windows_beyond_the_budget(model: ModelAdapter) -> None:
    settings = EngineSettings(fps=2, window=40, stride=8)
    geometry = model.geometry(1920, 1080, 80, None)
    layout = WindowLayout.of(model, geometry, settings, questions=1)
    row = RowShape(model.kv_shape)
    quiet, worst = (StreamCost.of(model, geometry, layout, row, share) for share in (0.15, 1.0))
    assert quiet.rows.passing < 4096 < worst.rows.passing
    some, most = (Scratch.of(model, geometry, layout, cost, row) for cost in (quiet, worst))
    assert some.rows == row.with_features(4096)
    assert most.rows == row.with_features(worst.rows.passing)
    # Keys and values of a layer: two heads of 16 numbers; and a mask of a byte and a float32.
    assert some.gathered == layout.tokens * (2 * 2 * 16 * 4 + 4096 * 5)
    assert some.bytes == some.rows + some.gathered + some.activations
    packed = Scratch.of(model, geometry, layout, quiet, RowShape(model.kv_shape, packed=True))
    assert packed.gathered - some.gathered == layout.tokens * 2 * 2 * 16 * 5


class Peak(TorchDispatchMode):
    """Counts the bytes of tensors that are made within and alive at a time, at their most."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = self._alive = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self._add(tensor.untyped_storage())
        return out

    def _add(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self._known:
            self._known.add(key)
            self._alive += size
            self.bytes = max(self.bytes, self._alive)
            weakref.finalize(storage, self._free, key, size)

    def _free(self, key: int, size: int) -> None:
        self._known.discard(key)
        self._alive -= size


WIDER = {
    "layers": 1,
    "hidden": 128,
    "intermediate": 512,
    "heads": 4,
    "kv_heads": 2,
    "vision_hidden": 256,
    "vision_depth": 2,
    "vision_heads": 4,
}
"""Wide enough that the layers' own numbers outweigh positions and masks."""


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "name", ["test-moe", "150m", "qwen2.5-150m", "internvl-150m", "llava-150m"]
)
def test_a_batch_writes_no_more_than_is_said(tmp_path: Path, name: str, dtype: torch.dtype) -> None:
    peculiar = {"150m": {"deepstack": (0,)}, "qwen2.5-150m": {"whole": (1,)}}.get(name, {})
    path = write_untrained(tmp_path, replace(SIZES[name], **WIDER, **peculiar))
    model: Any = load_model(str(path), device="cpu", dtype=dtype)

    tokens = 256
    embeds = torch.zeros(tokens, model.kv_shape.hidden, dtype=dtype)
    positions = torch.zeros(model.axes, tokens, dtype=torch.int64)
    visual, mask = torch.zeros(tokens, dtype=torch.bool), torch.ones(tokens, tokens).bool()
    with torch.inference_mode(), Peak() as text:
        model.forward(embeds, positions, visual, None, MaskedAttention(mask))
    # The mask in the type that it is added in is counted beside the layers.
    masks = tokens**2 * (1 + dtype.itemsize)
    assert text.bytes - masks <= tokens * _text_layer_bytes(model) < 2.5 * text.bytes

    geometry = model.geometry(320, 180, 4, None)
    jobs = [job_of(model, noise_pictures(1), whole(geometry), geometry)] * 2
    with torch.inference_mode():
        model.encode(jobs)
        with Peak() as vision:
            model.encode(jobs)
    said = 2 * model.memory_shape(geometry).places * _vision_layer_bytes(model, geometry)
    assert vision.bytes <= said < 4 * vision.bytes
