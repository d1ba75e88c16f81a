"""Writes checkpoints as AWQ and GPTQ pack them, bit by bit and without the reader's arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tests.models.quantised import each_expert, edit_layers

AWQ: dict[str, Any] = {
    "quant_method": "awq",
    "bits": 4,
    "group_size": 32,
    "version": "gemm",
    "zero_point": True,
    "modules_to_not_convert": ["visual"],
}
GPTQ: dict[str, Any] = {
    "quant_method": "gptq",
    "bits": 4,
    "group_size": 32,
    "desc_act": False,
    "sym": True,
    "lm_head": False,
    "checkpoint_format": "gptq",
}

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rounded:
    """A matrix in whole numbers.

    Attributes:
        numbers: [outputs, inputs].
        zeros: [groups, outputs].
        scales: float16 [groups, outputs].
        groups: [inputs], the group of each.
    """

    numbers: Numbers
    zeros: Numbers
    scales: npt.NDArray[np.float16]
    groups: Numbers

    def values(self) -> Tensor:
        """Returns what it stands for: float32 [outputs, inputs]."""
        apart = self.numbers - self.zeros[self.groups].T
        return torch.from_numpy(apart.astype(np.float32) * self.scales[self.groups].T)


def rounded(weight: Tensor, settings: Mapping[str, Any]) -> Rounded:
    """Rounds a matrix: [outputs, inputs]."""
    matrix, top = weight.double().numpy(), 2 ** settings["bits"] - 1
    inputs = matrix.shape[1]
    size = inputs if settings["group_size"] == -1 else settings["group_size"]
    groups = np.arange(inputs) // size
    if settings.get("desc_act"):
        groups = np.random.default_rng(0).permutation(groups)
    runs = [matrix[:, groups == group] for group in range(groups.max() + 1)]
    low = np.stack([run.min(1).clip(max=0) for run in runs])
    high = np.stack([run.max(1).clip(min=0) for run in runs])
    if settings.get("sym"):
        high = np.maximum(-low, high)
        low = -high
    scales = ((high - low) / top).clip(1e-5).astype(np.float16)
    # A zero point of 0 can't be stored in the older format.
    zeros = np.round(-low / scales).clip(1, top).astype(np.int64)
    numbers = np.round(matrix / scales[groups].T) + zeros[groups].T
    return Rounded(numbers.clip(0, top).astype(np.int64), zeros, scales, groups)


def packed_words(numbers: Numbers, bits: int) -> Tensor:
    """Packs numbers [rows, columns] along their columns: int32 [rows, columns * bits / 32]."""
    each = numbers[..., None] >> np.arange(bits) & 1
    stream = np.packbits(each.reshape(len(numbers), -1).astype(np.uint8), 1, bitorder="little")
    return torch.from_numpy(stream.view("<i4").copy())


def shuffled(numbers: Numbers) -> Numbers:
    """Returns columns in the order in which AWQ packs them."""
    eights = numbers.reshape(len(numbers), -1, 8)
    return eights[..., [0, 2, 4, 6, 1, 3, 5, 7]].reshape(numbers.shape)


def packed(matrix: Rounded, settings: Mapping[str, Any]) -> dict[str, Tensor]:
    """Returns a matrix's tensors by their last name."""
    scales = torch.from_numpy(matrix.scales)
    if settings["quant_method"] == "awq":
        words = packed_words(shuffled(matrix.numbers.T), 4)
        return {
            "qweight": words,
            "qzeros": packed_words(shuffled(matrix.zeros), 4),
            "scales": scales,
        }
    bits, less = settings["bits"], settings["checkpoint_format"] == "gptq"
    return {
        "qweight": packed_words(matrix.numbers, bits).T.contiguous(),
        "qzeros": packed_words(matrix.zeros - less, bits),
        "scales": scales,
        "g_idx": torch.from_numpy(matrix.groups.astype(np.int32)),
    }


def write_packed(path: Path, settings: Mapping[str, Any], *, plain: bool = False) -> None:
    """Rounds the projections of a checkpoint's layers; experts become one each.

    Args:
        path: a checkpoint with plain weights, which is rewritten.
        settings: the ``quantization_config``.
        plain: whether the rounded values are stored as plain weights, as in no library's layout.
    """

    def quantise(name: str, weight: Tensor) -> dict[str, Tensor]:
        if weight.ndim == 3:
            return _experts(name, weight, settings, plain)
        if not name.endswith("proj.weight"):
            return {name: weight}
        return _matrix(name, weight, settings, plain)

    edit_layers(path, None if plain else settings, quantise)


def _matrix(
    name: str, weight: Tensor, settings: Mapping[str, Any], plain: bool
) -> dict[str, Tensor]:
    matrix = rounded(weight, settings)
    if plain:
        return {name: matrix.values()}
    layer = name.removesuffix(".weight")
    return {f"{layer}.{part}": tensor for part, tensor in packed(matrix, settings).items()}


def _experts(
    name: str, weight: Tensor, settings: Mapping[str, Any], plain: bool
) -> dict[str, Tensor]:
    """Rounds experts that lie in one: [experts, inputs, outputs]."""
    parts = list(each_expert(name, weight))
    if not plain:
        return {k: t for key, part in parts for k, t in _matrix(key, part, settings, plain).items()}
    values = [rounded(part, settings).values().T for _, part in parts]
    of_each = len(parts) // len(weight)
    return {name: torch.stack(values).unflatten(0, (-1, of_each)).transpose(1, 2).flatten(2)}
