"""Features of visual tokens at their places among all tokens, found on the device alone."""

from __future__ import annotations

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
