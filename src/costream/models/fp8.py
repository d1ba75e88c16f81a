"""FP8 weights, each block of which has a scale beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from costream.errors import ModelError

FP8 = "fp8"

_SCALE = "_scale_inv"


def fp8_weights(
    path: str, values: Mapping[str, Any], stored: dict[str, Tensor]
) -> Iterator[tuple[str, Tensor]]:
    """Yields every weight by name, FP8 ones multiplied with their scales, in float32.

    Args:
        path: the checkpoint, for messages.
        values: its ``quantization_config``.
        stored: all tensors of the checkpoint; they are taken out.

    Raises:
        ModelError: a scale lacks, or does not fit its matrix.
    """
    block = values.get("weight_block_size")
    for name in [name for name in stored if _SCALE not in name and "activation_scale" not in name]:
        weight, scale = stored.pop(name), stored.pop(name + _SCALE, None)
        if scale is not None:
            weight = _scaled(path, name, weight, scale, block)
        elif weight.element_size() == 1:
            raise ModelError(f"the checkpoint {path!r} has no scale for its FP8 weight {name}")
        yield name, weight


def _scaled(
    path: str, name: str, weight: Tensor, scale: Tensor, block: tuple[int, int] | None
) -> Tensor:
    """Returns a matrix, or a stack of them, in what its FP8 numbers stand for.

    Args:
        path: the checkpoint, for messages.
        name: the weight's.
        weight: FP8 [..., rows, columns].
        scale: [..., blocks of rows, blocks of columns], or one number for all.
        block: (rows, columns) of a block. The last ones may be cut off.
    """
    rows, cols = weight.shape[-2:]
    exact = scale.float()
    if scale.numel() == 1:
        return weight.float() * exact.reshape(())
    down, across = block or (rows, cols)
    if tuple(scale.shape[-2:]) != (-(-rows // down), -(-cols // across)):
        raise ModelError(
            f"the checkpoint {path!r} has a scale of another shape than its weight "
            f"{name} in blocks of {down}x{across}"
        )
    exact = exact.repeat_interleave(down, -2)[..., :rows, :]
    return weight.float() * exact.repeat_interleave(across, -1)[..., :cols]
