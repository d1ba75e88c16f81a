"""From a model's name or directory to an adapter."""

from __future__ import annotations

import logging
import re
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, PretrainedConfig

from costream.errors import ModelError
from costream.models.base import MODELS, ModelAdapter
from costream.models.checkpoint import first_line, gguf_sentence
from costream.models.recommended import read_recommended
from costream.models.untrained import cached_untrained

EMBEDDED_MODEL = "costream/tiny"
"""The model that needs no download, where none is named."""

EMBEDDED = {EMBEDDED_MODEL: "tiny", "costream/tiny-internvl": "tiny-internvl"}
"""The models that come with the package, and their folders in ``costream/weights``."""

UNTRAINED_PREFIX = "costream/untrained-"
"""Begins the names of untrained checkpoints: a size of ``SIZES`` follows."""

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
    path = _path(name)
    family = _family(_model_type(path))
    config = _read_config(path)
    dtype = dtype or (torch.float32 if place.type == "cpu" else torch.bfloat16)
    return family.load(path, config, device=place, dtype=dtype)


def recommended_settings(name: str) -> dict[str, Any]:
    """Returns the settings that a model's checkpoint recommends, by name; none for most.

    Args:
        name: as :func:`load_model` takes it.

    Raises:
        ModelError: there is no such model, or its ``costream.json`` can't be used.
    """
    path = _path(name)
    _check_name(path)
    return read_recommended(path)


def is_untrained(name: str) -> bool:
    """Whether a name is that of a model of ours whose answers mean nothing."""
    return name.startswith(UNTRAINED_PREFIX)


def _path(name: str) -> str:
    if name in EMBEDDED:
        return str(resources.files("costream") / "weights" / EMBEDDED[name])
    if is_untrained(name):
        return str(cached_untrained(name.removeprefix(UNTRAINED_PREFIX)))
    return name


def _device(name: str | None) -> torch.device:
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"device {name!r} can't be used on this machine") from error
    return device


def _check_name(path: str) -> None:
    if path.lower().endswith(".gguf") or _holds_only_gguf(path):
        raise ModelError(gguf_sentence(path))
    if not Path(path).is_dir() and (path.startswith((".", "/", "~")) or path.count("/") != 1):
        raise ModelError(
            f"unknown model {path!r}: neither a directory nor a name on the hub, and not "
            f"{', '.join(EMBEDDED)}"
        )


def _holds_only_gguf(path: str) -> bool:
    folder = Path(path)
    if not folder.is_dir():
        return False
    return any(folder.glob("*.gguf")) and not any(folder.glob("*.safetensors"))


def _model_type(path: str) -> str:
    """Reads the family from ``config.json`` itself: ``transformers`` need not know it."""
    _check_name(path)
    if Path(path).is_dir() and not (Path(path) / "config.json").exists():
        raise ModelError(
            f"the directory {path!r} is no checkpoint in the layout of transformers: it has no "
            "config.json"
        )
    try:
        values, _ = PretrainedConfig.get_config_dict(path)
    except (OSError, ValueError) as error:
        if "gguf" in path.lower():
            raise ModelError(gguf_sentence(path)) from error
        raise ModelError(f"unknown model {path!r}: {first_line(error)}") from error
    if "model_type" not in values:
        raise ModelError(f"unknown model {path!r}: it has no config.json that names a model_type")
    if values["model_type"] == "internvl_chat":
        raise ModelError(_converted_sentence(path))
    return str(values["model_type"])


def _converted_sentence(path: str) -> str:
    """Returns what is said of an InternVL in the layout that brings code of its own."""
    name = Path(path).name
    known = re.fullmatch(r"InternVL3(_5)?-\d+B(-A\d+B)?", name)
    if known:
        # As the conversions are called on the hub.
        converted = f"OpenGVLab/{name}-{'HF' if known[1] else 'hf'}"
    else:
        converted = "the one whose name ends in -hf, such as OpenGVLab/InternVL3-8B-hf"
    return (
        f"{path!r} is an InternVL in the layout that brings code of its own, 'internvl_chat', "
        f"which is not supported: take its conversion to the layout of transformers, {converted}"
    )


def _read_config(path: str) -> PretrainedConfig:
    try:
        return AutoConfig.from_pretrained(path)
    except (OSError, ValueError, KeyError, TypeError, StrictDataclassError) as error:
        # The strict configurations tell what is wrong in their second line.
        problem = " ".join(str(error).split())
        raise ModelError(f"config.json of {path!r} can't be used: {problem}") from error


def _family(model_type: str) -> type[ModelAdapter]:
    for name in MODELS:
        if model_type in MODELS[name].model_types:
            return MODELS[name]
    known = ", ".join(kind for name in MODELS for kind in MODELS[name].model_types)
    raise ModelError(f"models of type {model_type!r} are not supported: choose one of {known}")
