"""Reading checkpoints of the Hugging Face layout: weights, tokenizer, preprocessing, answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import HFValidationError
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.utils import cached_file

from costream.errors import ModelError
from costream.models.pixels import PixelSettings

_UNREADABLE = (OSError, ValueError, KeyError, RuntimeError, HFValidationError, SafetensorError)


def load_weights(family: Any, path: str, *, device: torch.device, dtype: torch.dtype) -> Any:
    """Loads a stock class with ``from_pretrained``, in evaluation mode.

    Raises:
        ModelError: files are missing or broken, or weights are missing from them.
    """
    try:
        model, info = family.from_pretrained(
            path, dtype=dtype, attn_implementation="sdpa", output_loading_info=True
        )
    except _UNREADABLE as error:
        raise ModelError(f"can't load the weights of {path!r}: {first_line(error)}") from error
    if missing := info["missing_keys"] | info["mismatched_keys"]:
        example = min(map(str, missing))
        raise ModelError(f"the checkpoint {path!r} lacks {len(missing)} weights, such as {example}")
    return model.to(device).eval()


def load_tokenizer(path: str) -> PreTrainedTokenizerBase:
    """Loads the checkpoint's tokenizer and chat template.

    Raises:
        ModelError: there is none, or it has no chat template.
    """
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(path)
    except _UNREADABLE as error:
        raise ModelError(f"can't load the tokenizer of {path!r}: {first_line(error)}") from error
    if tokenizer.chat_template is None:
        template = read_file(path, "chat_template.jinja")
        if template is None:
            raise ModelError(f"the checkpoint {path!r} has no chat template")
        tokenizer.chat_template = template
    return tokenizer


def read_pixel_settings(path: str) -> PixelSettings:
    """Reads ``video_preprocessor_config.json``, or ``preprocessor_config.json`` without it.

    Raises:
        ModelError: neither file is there, or one lacks a value.
    """
    for name in ("video_preprocessor_config.json", "preprocessor_config.json"):
        if (text := read_file(path, name)) is not None:
            return _parse_pixel_settings(path, name, text)
    raise ModelError(f"the checkpoint {path!r} has no video_preprocessor_config.json")


def _parse_pixel_settings(path: str, name: str, text: str) -> PixelSettings:
    try:
        values = json.loads(text)
        return PixelSettings(
            min_pixels=int(values["size"]["shortest_edge"]),
            max_pixels=int(values["size"]["longest_edge"]),
            max_frame_tokens=int(values.get("max_video_tokens", 768)),
            mean=tuple(map(float, values["image_mean"])),
            std=tuple(map(float, values["image_std"])),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{name} of {path!r} can't be used: {first_line(error)}") from error


def answer_ids(tokenizer: PreTrainedTokenizerBase) -> tuple[Tensor, Tensor]:
    """Returns the tokens that begin an answer of yes, and those that begin one of no.

    All spellings that are one token count. Where none is, the answer's first token stands for it.
    """
    return _first_tokens(tokenizer, "yes"), _first_tokens(tokenizer, "no")


def _first_tokens(tokenizer: PreTrainedTokenizerBase, word: str) -> Tensor:
    spellings = [f"{space}{w}" for space in ("", " ") for w in (word.title(), word, word.upper())]
    encoded = [tokenizer.encode(spelling, add_special_tokens=False) for spelling in spellings]
    whole = {ids[0] for ids in encoded if len(ids) == 1}
    return torch.tensor(sorted(whole or {encoded[0][0]}))


def read_file(path: str, name: str) -> str | None:
    """Returns the text of a checkpoint's file, or None where it has none of that name.

    Raises:
        ModelError: the file is there and can't be read.
    """
    try:
        found = cached_file(path, name, _raise_exceptions_for_missing_entries=False)
    except OSError as error:
        raise ModelError(f"can't read {name} of {path!r}: {first_line(error)}") from error
    return None if found is None else Path(found).read_text(encoding="utf-8")


def first_line(error: Exception) -> str:
    """Returns the first line of an error's text, for a message of one sentence."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
