"""Reads checkpoints whose weights are dequantised while they load, on any device."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor
from transformers.utils import cached_file
from transformers.utils.hub import get_checkpoint_shard_files

from costream.errors import ModelError
from costream.models.fp8 import FP8, fp8_weights
from costream.models.packed import READERS

DEQUANTISED = frozenset({FP8, *READERS})
"""What weights may be quantised by to be read here."""

EXPERT = re.compile(r"(.+\.experts)\.(\d+)\.(gate|up|down)_proj\.weight")
"""A matrix of an expert that is stored on its own: its layer, number and kind."""


def read_dequantised(
    path: str, method: str, values: Mapping[str, Any], dtype: torch.dtype, *, stacked: bool
) -> dict[str, Tensor]:
    """Reads a checkpoint of quantised weights into what they stand for.

    Args:
        path: a directory or a name on the hub.
        method: one of :data:`DEQUANTISED`.
        values: the ``quantization_config``.
        dtype: of the weights that come back.
        stacked: whether the family's plain checkpoints hold a layer's experts all in one.
            Quantised ones may hold each on its own.

    Returns:
        The weights by name.

    Raises:
        ModelError: there are no weights, or they are packed in a way that is not supported, or a
            tensor lacks or does not fit the others.
    """
    if method == FP8:
        found = fp8_weights(path, values, dict(_stored(path)))
    else:
        found = READERS[method](path, values).weights(dict(_stored(path)))
    weights = {name: weight.to(dtype).contiguous() for name, weight in found}
    experts = _experts(path, weights)
    if stacked:
        _stack(weights, experts)
    return weights


def _stored(path: str) -> Iterator[tuple[str, Tensor]]:
    for file in _files(path):
        with safe_open(file, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - it is no dict
                yield name, tensors.get_tensor(name)


def _files(path: str) -> list[str]:
    optional = {"_raise_exceptions_for_missing_entries": False}
    if (single := cached_file(path, "model.safetensors", **optional)) is not None:
        return [str(single)]
    if (index := cached_file(path, "model.safetensors.index.json", **optional)) is not None:
        files, _ = get_checkpoint_shard_files(path, index)
        return [str(file) for file in files]
    raise ModelError(f"can't load the weights of {path!r}: there is no model.safetensors")


def _experts(path: str, weights: Mapping[str, Tensor]) -> dict[str, int]:
    """Returns how many experts a layer has that are stored each on its own, and checks them.

    Raises:
        ModelError: a matrix of one lacks, or is of another shape than the first one's.
    """
    counts: dict[str, int] = {}
    for found in filter(None, map(EXPERT.fullmatch, weights)):
        counts[found[1]] = max(counts.get(found[1], 0), int(found[2]) + 1)
    for layer, count in counts.items():
        for names in _names(layer, count):
            for name in names:
                if name not in weights:
                    raise ModelError(f"the checkpoint {path!r} lacks {name}")
                if weights[name].shape != weights[names[0]].shape:
                    raise ModelError(
                        f"the checkpoint {path!r} has {name} of another shape than {names[0]}"
                    )
    return counts


def _names(layer: str, count: int) -> Iterator[list[str]]:
    """Yields the names of all experts' matrices, kind by kind: gate, up and down."""
    for kind in ("gate", "up", "down"):
        yield [f"{layer}.{number}.{kind}_proj.weight" for number in range(count)]


def _stack(weights: dict[str, Tensor], experts: Mapping[str, int]) -> None:
    """Puts experts in one as published: [experts, columns, rows], gate and up side by side."""
    for layer, count in experts.items():
        gate, up, down = (
            torch.stack([weights.pop(name).T for name in names]) for names in _names(layer, count)
        )
        weights[f"{layer}.gate_up_proj"] = torch.cat([gate, up], dim=2)
        weights[f"{layer}.down_proj"] = down
