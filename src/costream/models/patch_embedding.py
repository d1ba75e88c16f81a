"""Patch embedding of stock encoders as what it is: one product of matrices."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn import functional


def embed_by_matmul(embed: Any) -> None:
    """Lets a stock patch embedding multiply where it convolves.

    A convolution whose stride is its kernel looks at every value once. On a CPU the product is
    three to four times as fast as the convolution, and its gradients more than that.

    Args:
        embed: a module whose convolution is ``proj``, and whose input is [patches, values].
    """
    embed.forward = partial(_multiply, embed.proj)


def _multiply(project: nn.Conv3d, patches: Tensor) -> Tensor:
    weight = project.weight
    return functional.linear(patches.to(weight.dtype), weight.flatten(1), project.bias)
