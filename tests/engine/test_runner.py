"""What the runner holds on to."""

from __future__ import annotations

import weakref
from itertools import pairwise

import pytest
from torch import Tensor

from costream.engine.attention.backends import SdpaBackend
from costream.engine.batch import Batch
from costream.engine.engine import Engine
from costream.models import ModelAdapter
from costream.settings import EngineSettings
from tests.fakes import FakeStream, noise_pictures, samples_of


def test_masks_of_a_pass_are_gone_before_the_next(
    model: ModelAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"fps": 2, "window": 6, "stride": 2, "frame_size": (128, 96), "chunk": 30}
    engine = Engine(model, EngineSettings.checked(**values))
    stream = FakeStream(samples_of(noise_pictures(12)))
    watch = engine.open(stream, ["Is someone fighting?"])
    window, _ = next(iter(engine.windows(stream)))
    planned, alive = [], []
    plan, forward = SdpaBackend.plan, model.forward

    def planning(self, pool, streams, upload):
        kernel = plan(self, pool, streams, upload)
        planned.append(weakref.ref(kernel))
        return kernel

    def watched(*args: object, **options: object) -> Tensor:
        alive.append(sum(kernel() is not None for kernel in planned))
        return forward(*args, **options)

    monkeypatch.setattr(SdpaBackend, "plan", planning)
    monkeypatch.setattr(model, "forward", watched)
    engine.runner.run(Batch([watch.plan(watch.ingest.prepare(window))]))
    assert len(alive) > 3 and alive[0] == len(planned)
    assert all(after < before for before, after in pairwise(alive))
