"""What the tests of all families use."""

from __future__ import annotations

import torch
from hypothesis import HealthCheck, settings

from costream.models import FrameGeometry

quick = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def whole(geometry: FrameGeometry) -> torch.Tensor:
    """Returns the mask that keeps every group."""
    return torch.ones(geometry.grid.groups, dtype=torch.bool)
