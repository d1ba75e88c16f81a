"""What the tests of all families use."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from hypothesis import HealthCheck, settings

from costream.models import EncodeJob, EncoderMemory, FrameGeometry, ModelAdapter
from costream.video import Picture

quick = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])


def whole(geometry: FrameGeometry) -> torch.Tensor:
    """Returns the mask that keeps every group."""
    return torch.ones(geometry.grid.groups, dtype=torch.bool)


def job_of(
    model: ModelAdapter,
    pictures: Sequence[Picture],
    kept: torch.Tensor,
    geometry: FrameGeometry,
    memory: EncoderMemory | None = None,
) -> EncodeJob:
    """Returns the job of encoding the kept groups of one temporal patch."""
    patches = model.preprocessing.patches(pictures, kept.numpy(), geometry)
    return EncodeJob(torch.from_numpy(patches), kept, geometry, memory)
