"""Writes checkpoints with quantised weights, in the layouts that real ones have."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

E4M3 = torch.float8_e4m3fn
LARGEST = 448.0


def fp8_blocks(weight: Tensor, block: int) -> tuple[Tensor, Tensor]:
    """Returns a matrix, or a stack of them, as FP8 numbers and the scale of each block."""
    rows, cols = weight.shape[-2:]
    down, across = -(-rows // block), -(-cols // block)
    padded = torch.zeros(*weight.shape[:-2], down * block, across * block)
    padded[..., :rows, :cols] = weight
    blocks = padded.view(*weight.shape[:-2], down, block, across, block)
    scale = blocks.abs().amax((-3, -1)).clamp_min(1e-8) / LARGEST
    numbers = (blocks / scale[..., :, None, :, None]).reshape(padded.shape)
    return numbers[..., :rows, :cols].to(E4M3).contiguous(), scale


def write_fp8(path: Path, settings: Mapping[str, Any], *, experts: str = "each") -> None:
    """Turns the language model's matrices into FP8 with a scale for each block.

    Args:
        path: a checkpoint with plain weights, which is rewritten.
        settings: the published ``quantization_config``.
        experts: ``each`` on its own, or ``stacked``.
    """
    block = settings["weight_block_size"][0]

    def quantise(name: str, weight: Tensor) -> dict[str, Tensor]:
        if ".experts." not in name and not name.endswith("proj.weight"):
            return {name: weight.to(torch.bfloat16)}
        each = weight.ndim == 3 and experts == "each"
        tensors: dict[str, Tensor] = {}
        for key, matrix in each_expert(name, weight) if each else [(name, weight)]:
            tensors[key], tensors[f"{key}_scale_inv"] = fp8_blocks(matrix, block)
        return tensors

    edit_layers(path, settings, quantise)


def each_expert(name: str, weight: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Yields the matrices [outputs, inputs] of experts that lie in one, by their own names.

    Args:
        name: of all in one.
        weight: [experts, inputs, outputs], gate and up side by side.
    """
    layer, _, kind = name.rpartition(".")
    kinds = ("gate", "up") if "gate_up" in kind else ("down",)
    for number, both in enumerate(weight.transpose(1, 2)):
        for part, matrix in zip(kinds, both.chunk(len(kinds)), strict=True):
            yield f"{layer}.{number}.{part}_proj.weight", matrix


def write_fp8_channels(path: Path) -> None:
    """The layout of compressed-tensors: FP8 numbers with a scale for each row."""

    def quantise(name: str, weight: Tensor) -> dict[str, Tensor]:
        if not name.endswith("proj.weight") and ".experts." not in name:
            return {name: weight}
        tensors: dict[str, Tensor] = {}
        for key, matrix in each_expert(name, weight) if weight.ndim == 3 else [(name, weight)]:
            scale = matrix.abs().amax(1, keepdim=True) / LARGEST
            tensors[key], tensors[f"{key}_scale"] = (matrix / scale).to(E4M3), scale
        return tensors

    numbers = {"num_bits": 8, "type": "float", "symmetric": True}
    edit_layers(
        path,
        {
            "quant_method": "compressed-tensors",
            "format": "float-quantized",
            "quantization_status": "compressed",
            "config_groups": {
                "group_0": {
                    "targets": ["Linear"],
                    "weights": {**numbers, "strategy": "channel", "dynamic": False},
                    "input_activations": {**numbers, "strategy": "token", "dynamic": True},
                }
            },
            "ignore": ["lm_head", "re:.*visual.*"],
        },
        quantise,
    )


def edit_layers(
    path: Path,
    settings: Mapping[str, Any] | None,
    quantise: Callable[[str, Tensor], dict[str, Tensor]],
) -> None:
    """Rewrites what is in the layers, and says so in ``config.json`` where there are settings."""
    tensors: dict[str, Tensor] = {}
    for name, weight in load_file(path / "model.safetensors").items():
        tensors |= quantise(name, weight) if ".layers." in name else {name: weight}
    stored = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(stored, path / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((path / "config.json").read_text())
    if settings is not None:
        config["quantization_config"] = dict(settings)
    (path / "config.json").write_text(json.dumps(config))
