"""A step tells the device what to do and reads nothing of it: the host never waits for it.

On torch's device ``meta`` tensors have shapes and no numbers. Whatever reads one raises there, as
does whatever depends on one: a number taken to the host, a mask as an index.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from costream.engine.batch import Batch
from costream.engine.engine import Engine
from costream.engine.runner import ModelRunner
from costream.models import SIZES, ModelAdapter, write_untrained
from costream.models.outline import load_outline
from costream.settings import EngineSettings
from tests.engine.driving import ScriptedPruner
from tests.fakes import FakeStream, noise_pictures, samples_of

TESTED = [name for name in SIZES if "test" in name]
ASKS = ["Is someone fighting?", "Is it?"]

ENCODER_UPLOADS = 5
"""Patches, and where they and what they attend to stand: once a call, whatever the layers."""


class Watching(TorchDispatchMode):
    """Counts what goes to the device, and what makes the host wait for it."""

    supports_higher_order_operators = True

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device
        self.uploads = 0
        self.waits: Counter[str] = Counter()

    def __torch_dispatch__(self, function, types, args=(), options=None):
        found = function(*args, **(options or {}))
        if self.device != "cpu" and _is(found, self.device):
            self.uploads += any(_is(part, "cpu") and part.numel() > 1 for part in args)
        if args and _is(args[0], self.device):
            self._look(function.name(), args)
        return found

    def _look(self, name: str, args) -> None:
        if name in ("aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select"):
            self.waits[name] += 1
        if name in ("aten::index.Tensor", "aten::index_put_", "aten::index_put"):
            masks = [part for part in args[1] if part is not None and part.dtype == torch.bool]
            self.waits[f"{name} by a mask"] += len(masks)


def _is(part: object, device: str) -> bool:
    return isinstance(part, Tensor) and part.device.type == device


def batches(model: ModelAdapter, **values: object) -> Iterator[tuple[ModelRunner, Batch]]:
    """Windows of two streams, with pruned and recomputed tokens, in passes of 200."""
    size = getattr(model.preprocessing, "tile", (224, 224))
    defaults = {"fps": 2, "window": 6, "stride": 2, "chunk": 200, "frame_size": size}
    engine = Engine(model, EngineSettings.checked(**{**defaults, **values}))
    engine._pruner = type("Scripted", (ScriptedPruner,), {"shares": (1.0, 0.2, 0.0, 0.5)})
    streams = [FakeStream(samples_of(noise_pictures(20))) for _ in range(2)]
    watches = [engine.open(stream, ASKS) for stream in streams]
    windows = [list(engine.windows(stream)) for stream in streams]
    for pair in zip(*windows, strict=True):
        plans = [w.plan(w.ingest.prepare(at)) for w, (at, _) in zip(watches, pair, strict=True)]
        yield engine.runner, Batch(plans)
        for watch, plan in zip(watches, plans, strict=True):
            watch.state.commit(plan)


@pytest.mark.parametrize("size", TESTED)
def test_a_step_reads_nothing_of_the_device_and_uploads_once(size: str, tmp_path: Path) -> None:
    # Experts are multiplied in groups, which on meta is for bfloat16 alone.
    model = load_outline(str(write_untrained(tmp_path, size)), torch.bfloat16).model
    passes = 0
    for runner, batch in batches(model, refresh="vlcache"):
        passes = max(passes, len(list(batch.passes(200))))
        with Watching("meta") as watching:
            outputs = runner.run(batch)
        assert outputs[0].logits.device.type == "meta"
        assert not watching.waits.total()
        assert watching.uploads <= 1 + ENCODER_UPLOADS + 2  # mean and deviation, the first time
    assert watching.uploads <= 1 + ENCODER_UPLOADS
    assert passes > 1


@pytest.mark.parametrize("attention", ["sdpa", "flex"])
def test_no_layer_has_the_host_wait(
    model: ModelAdapter, attention: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a CPU nothing raises: there, what would wait is counted within the language model."""
    forward, watching, calls = model.forward, Watching("cpu"), 0

    def watched(*args: object, **options: object) -> Tensor:
        nonlocal calls
        calls += 1
        with watching:
            return forward(*args, **options)

    monkeypatch.setattr(model, "forward", watched)
    for runner, batch in batches(model, attention=attention, refresh="random"):
        runner.run(batch)
    assert calls > 3
    assert not watching.waits.total()


def test_what_makes_the_host_wait_is_noticed() -> None:
    numbers = torch.arange(4)
    with Watching("cpu") as watching:
        numbers[numbers > 2]
        numbers[1].item()
        numbers.masked_select(numbers > 1)
        (numbers > 1).nonzero()
        numbers[numbers > 2] = 0
        numbers[torch.tensor([0, 1])]
    assert set(watching.waits) >= {
        "aten::index.Tensor by a mask",
        "aten::index_put_ by a mask",
        "aten::_local_scalar_dense",
        "aten::masked_select",
        "aten::nonzero",
    }
    with pytest.raises(RuntimeError):
        torch.ones(3, device="meta").sum().item()
    with pytest.raises(NotImplementedError):
        torch.ones(3, device="meta")[torch.ones(3, device="meta").bool()]
