"""From a model's name or directory to an adapter."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, PretrainedConfig

from costream.checkpoints import (
    UNTRAINED_PREFIX,
    checkpoint_path,
    first_line,
    gguf_sentence,
    is_untrained,
    model_type,
    named_type,
)
from costream.errors import ModelError
from costream.models.base import MODELS, ModelAdapter
from costream.models.untrained import cached_untrained

logger = logging.getLogger("costream")


def load_model(
    name: str, *, device: str | None = None, dtype: torch.dtype | None = None
) -> ModelAdapter:
    """Loads a model by hub name, by directory, or one that comes with the package.

    Args:
        name: what to load.
        device: a torch device; the first GPU where there is one, else the CPU.
        dtype: of weights and cache; by default bfloat16 on a GPU and float32 on a CPU.

    Raises:
        ModelError: there is no such model, its family is not supported, or it can't be loaded.
    """
    place = _device(device)
    if is_untrained(name):
        logger.warning("%s is not trained: its answers mean nothing", name)
    path = locate(name)
    family = choose_family(read_model_type(path))
    config = read_config(path)
    dtype = dtype or (torch.float32 if place.type == "cpu" else torch.bfloat16)
    return family.load(path, config, device=place, dtype=dtype)


def locate(name: str) -> str:
    """Returns a checkpoint's directory, or its name on the hub. An untrained one is written first.

    Raises:
        ModelError: there is no such model.
    """
    if is_untrained(name):
        return str(cached_untrained(name.removeprefix(UNTRAINED_PREFIX)))
    return checkpoint_path(name)


def _device(name: str | None) -> torch.device:
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        # Read back, which a device without numbers, meta, can't do.
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"device {name!r} can't be used on this machine") from error
    return device


def read_model_type(path: str) -> str:
    """Reads the family from ``config.json`` itself: ``transformers`` need not know it.

    Raises:
        ModelError: the checkpoint names none, or is not there.
    """
    if Path(path).is_dir():
        return model_type(path)
    try:
        values, _ = PretrainedConfig.get_config_dict(path)
    except (OSError, ValueError) as error:
        if "gguf" in path.lower():
            raise ModelError(gguf_sentence(path)) from error
        raise ModelError(f"unknown model {path!r}: {first_line(error)}") from error
    return named_type(path, values)


def read_config(path: str) -> PretrainedConfig:
    """Reads a checkpoint's configuration.

    Raises:
        ModelError: it can't be used.
    """
    try:
        return AutoConfig.from_pretrained(path)
    except (OSError, ValueError, KeyError, TypeError, StrictDataclassError) as error:
        # The strict configurations tell what is wrong in their second line.
        problem = " ".join(str(error).split())
        raise ModelError(f"config.json of {path!r} can't be used: {problem}") from error


def choose_family(model_type: str) -> type[ModelAdapter]:
    """Returns the adapter's class for the ``model_type`` of a configuration.

    Raises:
        ModelError: there is none.
    """
    families = []
    for _, family in MODELS.usable():
        if model_type in family.model_types:
            return family
        families.append(family)
    known = ", ".join(kind for family in families for kind in family.model_types)
    raise ModelError(f"models of type {model_type!r} are not supported: choose one of {known}")
