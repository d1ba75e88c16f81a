"""One call of the encoder for many streams gives each what a call of its own would."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from costream.models import (
    SIZES,
    EncodeJob,
    EncoderMemory,
    ModelAdapter,
    ModelSize,
    VisualTokens,
    load_model,
    write_untrained,
)
from tests.fakes import noise_pictures
from tests.models.common import job_of, quick

FAMILIES = {
    # Places that the encoder attends to in a frame of the size below.
    "test": 14 * 14,
    "qwen2.5-test": 16 * 16,
    "internvl-test": 6 * 6 + 1,
    "llava-test": 7 * 7,
}

STEPS = 3


@pytest.fixture(scope="module", params=FAMILIES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(name: str, tmp_path_factory: pytest.TempPathFactory) -> ModelAdapter:
    return load_model(str(write_untrained(tmp_path_factory.mktemp("family"), name)), device="cpu")


def size_of(model: ModelAdapter) -> tuple[int, int]:
    return getattr(model.preprocessing, "tile", (224, 224))


def stream_of(
    model: ModelAdapter, number: int, shares: list[float], draw: torch.Generator
) -> list[EncodeJob]:
    """Returns the jobs of one stream: every other one has another size, the third no memory."""
    size = size_of(model) if number % 2 == 0 else model.nearest_size((168, 112))
    geometry = model.geometry(128, 96, 8, size)
    pictures = noise_pictures(STEPS * (number + 1))[-STEPS:]
    masks = [torch.rand(geometry.grid.groups, generator=draw) < share for share in shares]
    return [job_of(model, [p], m, geometry) for p, m in zip(pictures, masks, strict=True)]


def remembered(jobs: list[EncodeJob], number: int) -> list[EncodeJob]:
    memory = None if number == 2 else EncoderMemory()
    return [replace(job, memory=memory) for job in jobs]


def assert_same(ours: VisualTokens, expected: VisualTokens) -> None:
    assert ours.embeds.shape == expected.embeds.shape
    assert torch.allclose(ours.embeds, expected.embeds, atol=1e-5)
    assert torch.allclose(ours.deepstack, expected.deepstack, atol=1e-5)


shares = st.sampled_from([0.0, 0.1, 0.5, 1.0])


@quick
@given(
    rows=st.lists(st.lists(shares, min_size=STEPS, max_size=STEPS), min_size=2, max_size=4),
    seed=st.integers(0, 99),
)
@torch.no_grad()
def test_streams_in_one_call_are_each_as_alone(
    model: ModelAdapter, rows: list[list[float]], seed: int
) -> None:
    """Frame by frame and stream by stream, or all but the last frames of all streams at once."""
    draw = torch.Generator().manual_seed(seed)
    streams = [stream_of(model, n, row, draw) for n, row in enumerate(rows)]
    alone = [
        [model.encode([job])[0] for job in remembered(jobs, n)] for n, jobs in enumerate(streams)
    ]
    together = [remembered(jobs, n) for n, jobs in enumerate(streams)]
    # Streams take turns within the first call.
    first = model.encode([jobs[step] for step in range(STEPS - 1) for jobs in together])
    last = model.encode([jobs[-1] for jobs in together])
    for n, expected in enumerate(alone):
        for ours, theirs in zip([*first[n :: len(rows)], last[n]], expected, strict=True):
            assert_same(ours, theirs)


@torch.no_grad()
def test_a_frame_sees_nothing_of_the_next_one_in_the_same_call(model: ModelAdapter) -> None:
    geometry = model.geometry(128, 96, 8, size_of(model))
    groups = geometry.grid.groups
    whole, some = torch.ones(groups, dtype=torch.bool), torch.arange(groups) % 3 == 0
    before, now, after = ([picture] for picture in noise_pictures(3))

    def last_but_one(following: list) -> VisualTokens:
        memory = EncoderMemory()
        frames = ((before, whole), (now, some), (following, whole))
        return model.encode([job_of(model, p, m, geometry, memory) for p, m in frames])[1]

    assert torch.equal(last_but_one(after).embeds, last_but_one(before).embeds)


@torch.no_grad()
def test_a_memory_says_what_it_allocates(model: ModelAdapter, name: str) -> None:
    geometry, memory = model.geometry(128, 96, 8, size_of(model)), EncoderMemory()
    assert memory.bytes == 0
    size, places = SIZES[name], FAMILIES[name]
    mask = torch.arange(geometry.grid.groups) % 3 == 0
    for picture in noise_pictures(2):
        model.encode([job_of(model, [picture], mask, geometry, memory)])
        # Keys and values of float32, and a mask of what is known.
        values = 2 * size.vision_depth * size.vision_hidden * places
        assert memory.bytes == 4 * values + places


@torch.no_grad()
def test_a_frame_of_which_nothing_is_kept_takes_up_no_memory(model: ModelAdapter) -> None:
    geometry, memory = model.geometry(128, 96, 8, size_of(model)), EncoderMemory()
    none = torch.zeros(geometry.grid.groups, dtype=torch.bool)
    (tokens,) = model.encode([job_of(model, noise_pictures(1), none, geometry, memory)])
    assert len(tokens) == 0
    assert memory.bytes == 0


class Uploads(TorchDispatchMode):
    """Counts the copies to another device."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if func is torch.ops.aten._to_copy.default:
            self.count += args[0].device != out.device
        return out


def uploads(path: Path, size: ModelSize, streams: int) -> int:
    """Returns how often a call uploads to a device from which nothing can be read back."""
    model = load_model(str(write_untrained(path, size)), device="cpu")
    model.model.to("meta")
    model.kv_shape = replace(model.kv_shape, device=torch.device("meta"))
    geometry = model.geometry(128, 96, 8, size_of(model))
    (picture,) = noise_pictures(1)
    masks = [torch.arange(geometry.grid.groups) % (2 + n) == 0 for n in range(2)]
    jobs = [
        job_of(model, [picture], mask, geometry, memory)
        for memory in [EncoderMemory() for _ in range(streams)]
        for mask in masks
    ]
    # The first call uploads the mean and deviation of colours as well.
    model.encode(jobs)
    with Uploads() as uploaded:
        model.encode(jobs)
    return uploaded.count


@torch.no_grad()
def test_uploads_are_those_of_a_call_and_nothing_is_waited_for(name: str, tmp_path: Path) -> None:
    """The meta device has no values: whoever read one back would raise."""
    size = SIZES[name]
    few = uploads(tmp_path / "few", replace(size, vision_depth=3), 1)
    many = uploads(tmp_path / "many", replace(size, vision_depth=5), 4)
    assert few == many <= 5
