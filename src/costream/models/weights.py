"""The memory that a model's weights take, by shapes alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from costream.errors import ModelError
from costream.models.base import ModelAdapter
from costream.models.quantised import kind_of

BITSANDBYTES = "bitsandbytes"
"""The one kind of quantised weights that stays packed: others are dequantised when loaded."""

_ABSMAX_BLOCK = 64
"""Numbers of a 4-bit matrix that share a scale."""

_NESTED_BLOCK = 256
"""Scales that share one of their own, where they are quantised as well."""


def weight_bytes(model: ModelAdapter, quantisation: Mapping[str, Any] | None = None) -> int:
    """Returns what a model's weights take once they are loaded, those shared once.

    Weights that are dequantised when they are loaded count as what they become.

    Args:
        model: on any device, ``meta`` too.
        quantisation: what ``config.json`` says of quantised weights, or None where they are plain.

    Raises:
        ModelError: it says nothing that can be counted.
    """
    total: int = sum(weight.nbytes for weight in model.model.parameters())
    if quantisation is None or kind_of(quantisation) != BITSANDBYTES:
        return total
    packed = _packed(model, quantisation)
    return total - sum(p.weight.nbytes - _packed_bytes(p, quantisation) for p in packed)


def _packed(model: ModelAdapter, quantisation: Mapping[str, Any]) -> list[nn.Linear]:
    """Returns the matrices that the library takes over."""
    kept = quantisation.get("llm_int8_skip_modules") or ["lm_head"]
    if not isinstance(kept, list):
        raise ModelError("llm_int8_skip_modules of config.json is no list of names")
    return [
        part
        for name, part in model.model.named_modules()
        if isinstance(part, nn.Linear) and not any(_names(skip, name) for skip in kept)
    ]


def _names(skip: str, name: str) -> bool:
    return name == skip or name.startswith(f"{skip}.") or name.endswith(f".{skip}")


def _packed_bytes(part: nn.Linear, quantisation: Mapping[str, Any]) -> int:
    numbers = part.weight.numel()
    if quantisation.get("load_in_8bit"):
        return numbers + part.out_features * torch.float32.itemsize
    scales = -(-numbers // _ABSMAX_BLOCK)
    if not quantisation.get("bnb_4bit_use_double_quant"):
        return -(-numbers // 2) + scales * torch.float32.itemsize
    nested = -(-scales // _NESTED_BLOCK) * torch.float32.itemsize
    return -(-numbers // 2) + scales + nested
