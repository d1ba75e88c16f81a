"""Answers written at fixed shapes: the same tokens, by the same operations on the same memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from costream.engine.batch import Batch
from costream.engine.engine import Engine
from costream.engine.fixed_step import FixedStep
from costream.engine.plan import Plan
from costream.engine.runner import ModelRunner, Step
from costream.models import ModelAdapter
from costream.settings import EngineSettings
from tests.fakes import FakeStream, noise_pictures, samples_of

ASKS = ["Is someone fighting?", "Is it?", "Has a person fallen and stayed down on the floor?"]
LIMIT = 6


def engine_of(model: ModelAdapter, **values: object) -> Engine:
    defaults = {"fps": 2, "window": 6, "stride": 2, "frame_size": (128, 96)}
    return Engine(model, EngineSettings.checked(**{**defaults, **values}))


def plans(engine: Engine) -> Iterator[tuple[ModelRunner, Plan]]:
    """Windows that were run and are not committed yet."""
    stream = FakeStream(samples_of(noise_pictures(20)))
    watch = engine.open(stream, ASKS)
    for window, _ in engine.windows(stream):
        plan = watch.plan(watch.ingest.prepare(window))
        engine.runner.run(Batch([plan]))
        yield engine.runner, plan
        watch.state.commit(plan)


def ninth(logits: Tensor) -> list[int]:
    """Picks what hangs on many logits: an untrained model's likeliest token is its last one."""
    return logits.topk(9).indices[:, -1].tolist()


def test_answers_are_the_same(any_model: ModelAdapter) -> None:
    windows = set()
    for runner, plan in plans(engine_of(any_model)):
        found = []
        for capture in (False, True):
            runner._capture = capture
            firsts = {0: 5, 2: 7}
            found.append(runner.write(plan, firsts, [20, 0, 40], ninth, LIMIT))
        plain, fixed = found
        assert plain == fixed
        assert {branch: len(tokens) for branch, tokens in plain[0].items()} == {0: LIMIT, 2: LIMIT}
        windows.add(str(plain[0]))
    assert len(windows) == 3


def test_the_setting_has_them_written_so(model: ModelAdapter) -> None:
    for capture in (False, True):
        engine = engine_of(model, capture=capture, text=True, max_text_tokens=LIMIT)
        list(engine.watch(FakeStream(samples_of(noise_pictures(12))), ASKS))
        assert (engine.runner._fixed is not None) == capture


TURNS = (
    {0: 5, 1: 6, 2: 7},
    {0: 8, 2: 9},
    {2: 10},
    {2: 11},
)
"""Tokens by question: one answer ends after its first token, another after its second."""


def logits_of(step: Step, plan: Plan) -> list[Tensor]:
    with torch.inference_mode():
        return [
            step(turn, torch.cat([plan.text_start + 30 + n] * len(turn), dim=1)).clone()
            for n, turn in enumerate(TURNS)
        ]


def test_logits_are_the_same_while_answers_end_one_by_one(model: ModelAdapter) -> None:
    seen = []
    for runner, plan in plans(engine_of(model)):
        found = []
        for capture in (False, True):
            runner._capture = capture
            with torch.inference_mode():
                step = runner._step_of(plan.keys, [0, 1, 2], LIMIT)
            found.append(logits_of(step, plan))
        seen.append(runner._fixed)
        for turn, plain, fixed in zip(TURNS, *found, strict=True):
            assert plain.shape == fixed.shape == (len(turn), plain.shape[1])
            assert (plain - fixed).abs().max() < 1e-5 * (plain.max() - plain.min())
    assert len(seen) == 3 and len({id(step) for step in seen}) == 1


class Trace(TorchDispatchMode):
    """Notes operations, shapes, and which memory that lives on they touch."""

    def __init__(self, lasting: set[int]) -> None:
        super().__init__()
        self.lasting = lasting
        self.notes: list[tuple] = []

    def __torch_dispatch__(self, function, types, args=(), options=None):
        found = function(*args, **(options or {}))
        tensors = [part for part in args if isinstance(part, Tensor)]
        shapes = [(tuple(part.shape), part.stride()) for part in tensors]
        known = [part.untyped_storage().data_ptr() for part in tensors]
        self.notes.append((function.name(), shapes, [p for p in known if p in self.lasting]))
        return found


def test_a_step_is_the_same_whatever_is_written(model: ModelAdapter) -> None:
    runner, plan = next(plans(engine_of(model, capture=True)))
    traces, prepared = [], runner._step_of(plan.keys, [0, 1, 2], LIMIT)
    fixed = runner._fixed
    assert fixed is not None
    lasting = {
        part.untyped_storage().data_ptr() for part in (fixed._stored, fixed._inputs, fixed._text)
    }

    def traced() -> Tensor:
        with Trace(lasting) as trace:
            found = fixed._compute()
        traces.append(trace.notes)
        return found

    fixed._step = traced
    logits_of(prepared, plan)
    assert len(traces) == len(TURNS) and len(traces[0]) > 50
    assert all(trace == traces[0] for trace in traces)
    assert any(note[2] for note in traces[0])
    names = {note[0] for note in traces[0]}
    assert not names & {"aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select"}


@pytest.mark.parametrize(
    ("answers", "keys", "fits"), [(4, 512, True), (3, 400, True), (5, 512, False), (4, 513, False)]
)
def test_buffers_serve_as_much_as_they_were_made_for(
    model: ModelAdapter, answers: int, keys: int, fits: bool
) -> None:
    assert FixedStep(model, 3, 300).fits(answers, keys) == fits
