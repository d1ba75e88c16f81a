"""Checkpoints with quantised weights: which kinds load, what each needs, what FP8 stands for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn
from transformers import PretrainedConfig
from transformers.utils import cached_file
from transformers.utils.hub import get_checkpoint_shard_files

from costream.errors import ModelError

FP8 = "fp8"

LIBRARIES: Mapping[str, tuple[str, ...]] = {
    FP8: (),
    "compressed-tensors": ("compressed_tensors", "accelerate"),
    "bitsandbytes": ("bitsandbytes", "accelerate"),
    "awq": ("gptqmodel", "accelerate"),
    "gptq": ("gptqmodel", "optimum", "accelerate"),
}
"""What weights may be quantised by, as ``config.json`` names it, and the libraries it needs."""

EXTRA = {"compressed_tensors", "bitsandbytes", "accelerate"}
"""Those of ``pip install 'costream[quantised]'``."""

_SCALE = "_scale_inv"

_EXPERT = re.compile(r"(.+\.experts)\.(\d+)\.(gate|up|down)_proj\.weight")


def quantisation(config: PretrainedConfig) -> dict[str, Any] | None:
    """Returns what ``config.json`` says of quantised weights, or None where they are plain."""
    for part in (config, config.get_text_config(decoder=True)):
        if found := getattr(part, "quantization_config", None):
            values: dict[str, Any] = found if isinstance(found, dict) else found.to_dict()
            return values
    return None


def method_of(path: str, values: Mapping[str, Any]) -> str:
    """Returns by what a checkpoint's weights are quantised: a key of :data:`LIBRARIES`.

    Args:
        path: the checkpoint, for messages.
        values: what :func:`quantisation` returned.

    Raises:
        ModelError: it is a kind that does not load, or a library that it needs is not installed.
    """
    method = kind_of(values)
    if method not in LIBRARIES:
        raise ModelError(
            f"the weights of {path!r} are quantised by {method!r}, which is not supported: choose "
            f"a checkpoint with plain weights, or with {', '.join(LIBRARIES)}"
        )
    missing = [name for name in LIBRARIES[method] if find_spec(name) is None]
    if missing:
        names = " and ".join(name.replace("_", "-") for name in missing)
        raise ModelError(
            f"the weights of {path!r} are quantised by {method}, which needs {names}: "
            f"{_advice(missing)}"
        )
    return method


def kind_of(values: Mapping[str, Any]) -> str:
    """Returns by what weights are quantised, as ``config.json`` says it."""
    said = values.get("quant_method")
    if said is None and (values.get("load_in_4bit") or values.get("load_in_8bit")):
        return "bitsandbytes"
    # The library's own configurations name it by an enumeration.
    return str(getattr(said, "value", said))


def _advice(missing: list[str]) -> str:
    if set(missing) <= EXTRA:
        return "pip install 'costream[quantised]'"
    return f"pip install {' '.join(missing)}"


def plain_config(config: PretrainedConfig) -> PretrainedConfig:
    """Returns a copy of a configuration that says nothing of quantised weights."""
    copy: PretrainedConfig = type(config).from_dict(config.to_dict())
    for part in (copy, copy.get_text_config(decoder=True)):
        if hasattr(part, "quantization_config"):
            del part.quantization_config
    return copy


@torch.inference_mode()
def check_products(path: str, model: Any, dtype: torch.dtype) -> None:
    """Multiplies a row of numbers with each matrix that a library has taken over.

    Libraries prepare their matrices when they are first used, and find out then what their kernels
    don't take: the shape, the type, the processor.

    Args:
        path: the checkpoint, for messages.
        model: the stock class with its weights, on its device.
        dtype: of the numbers.

    Raises:
        ModelError: one can't be multiplied here.
    """
    for name, part in model.named_modules():
        width = getattr(part, "in_features", None)
        if isinstance(width, int) and type(part) is not nn.Linear:
            try:
                part(torch.zeros(1, width, dtype=dtype, device=model.device))
            except (RuntimeError, ValueError, TypeError, AssertionError, ImportError) as error:
                problem = " ".join(str(error).split()) or type(error).__name__
                raise ModelError(
                    f"the quantised weights {name} of {path!r} can't be used in {dtype} on "
                    f"{model.device}: {problem}"
                ) from error


def read_fp8(
    path: str, values: Mapping[str, Any], dtype: torch.dtype, *, stacked: bool
) -> dict[str, Tensor]:
    """Reads a checkpoint of FP8 weights and multiplies them with their scales.

    A scale stands for a block of a matrix, beside which it is stored.

    Args:
        path: a directory or a name on the hub.
        values: what :func:`quantisation` returned.
        dtype: of the weights that come back.
        stacked: whether the family's plain checkpoints hold a layer's experts all in one. FP8 ones
            may hold each on its own.

    Returns:
        The weights by name.

    Raises:
        ModelError: there are no weights, or a scale does not fit its matrix.
    """
    block = values.get("weight_block_size")
    stored: dict[str, Tensor] = dict(_stored(path))
    weights: dict[str, Tensor] = {}
    for name in [name for name in stored if _SCALE not in name and "activation_scale" not in name]:
        weight, scale = stored.pop(name), stored.pop(name + _SCALE, None)
        if scale is not None:
            weight = _scaled(path, name, weight, scale, block)
        elif weight.element_size() == 1:
            raise ModelError(f"the checkpoint {path!r} has no scale for its FP8 weight {name}")
        weights[name] = weight.to(dtype)
    return _with_experts_in_one(weights) if stacked else weights


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


def _with_experts_in_one(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Stacks experts that are stored each on its own: [experts, columns, rows], as published."""
    experts: dict[str, dict[int, dict[str, Tensor]]] = {}
    for name in list(weights):
        if found := _EXPERT.fullmatch(name):
            layer, number, kind = found[1], int(found[2]), found[3]
            experts.setdefault(layer, {}).setdefault(number, {})[kind] = weights.pop(name).T
    for layer, parts in experts.items():
        each = [parts[number] for number in sorted(parts)]
        both = [torch.cat([part["gate"], part["up"]], dim=1) for part in each]
        weights[f"{layer}.gate_up_proj"] = torch.stack(both)
        weights[f"{layer}.down_proj"] = torch.stack([part["down"] for part in each])
    return weights
