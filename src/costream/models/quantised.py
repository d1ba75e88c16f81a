"""Checkpoints with quantised weights: which kinds load, and what each needs."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig

from costream.errors import ModelError
from costream.models.fp8 import FP8
from costream.models.packed import AWQ, GPTQ

LIBRARIES: Mapping[str, tuple[str, ...]] = {
    FP8: (),
    "compressed-tensors": ("compressed_tensors", "accelerate"),
    "bitsandbytes": ("bitsandbytes", "accelerate"),
    AWQ: (),
    GPTQ: (),
}
"""What weights may be quantised by, as ``config.json`` names it, and the libraries it needs: those
of ``pip install 'costream[quantised]'``, or none where we dequantise them ourselves."""


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
            "pip install 'costream[quantised]'"
        )
    return method


def kind_of(values: Mapping[str, Any]) -> str:
    """Returns by what weights are quantised, as ``config.json`` says it."""
    said = values.get("quant_method")
    if said is None and (values.get("load_in_4bit") or values.get("load_in_8bit")):
        return "bitsandbytes"
    # The library's own configurations name it by an enumeration.
    return str(getattr(said, "value", said))


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
