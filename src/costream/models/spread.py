"""Features of visual tokens at their places among all tokens, found on the device alone."""

from __future__ import annotations

import torch
from torch import Tensor


def spread(features: Tensor, visual: Tensor) -> Tensor:
    """Returns the features of visual tokens where these stand, and some feature elsewhere.

    A mask as an index would have the host wait for the device, to learn how many there are.

    Args:
        features: [visual tokens, hidden], of one token at least.
        visual: bool [tokens].

    Returns:
        [tokens, hidden].
    """
    return features.index_select(0, visual.cumsum(0).sub_(1).clamp_min_(0))


def add_at_visual(hidden: Tensor, visual: Tensor, features: Tensor) -> Tensor:
    """Returns hidden states with features added to those of visual tokens.

    Args:
        hidden: [batch, tokens, hidden].
        visual: bool [batch, tokens].
        features: [visual tokens, hidden].
    """
    added = spread(features.to(hidden.dtype), visual.flatten()).view_as(hidden)
    return torch.where(visual[..., None], hidden + added, hidden)
