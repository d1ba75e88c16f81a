"""Features at the places of visual tokens."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from costream.models.spread import spread


@given(mask=st.lists(st.booleans(), min_size=1, max_size=20).filter(any))
def test_each_visual_token_has_its_own_features(mask: list[bool]) -> None:
    visual = torch.tensor(mask)
    features = torch.randn(int(visual.sum()), 3)
    assert torch.equal(spread(features, visual)[visual], features)
