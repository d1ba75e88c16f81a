"""A model known by its configuration alone: shapes and costs without weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from transformers import PretrainedConfig, PreTrainedTokenizerBase

from costream.checkpoints import find_file, read_file
from costream.errors import ModelError
from costream.models.base import ModelAdapter
from costream.models.checkpoint import TOKENIZER_FILES, parse_json
from costream.models.load import choose_family, locate, read_config, read_model_type
from costream.models.quantised import kind_of, quantisation
from costream.models.untrained import SIZES, build_tokenizer
from costream.models.weights import weight_bytes

META = "meta"
"""The torch device on which tensors have shapes and no numbers."""

_OTHER_FILES = (
    "config.json",
    "generation_config.json",
    "video_preprocessor_config.json",
    "processor_config.json",
    "preprocessor_config.json",
)

_IDS = {
    "<|vision_start|>": "vision_start_token_id",
    "<|vision_end|>": "vision_end_token_id",
    "<|video_pad|>": "video_token_id",
    "<video>": "video_token_id",
}
"""Tokens of a video, and where a configuration has their numbers."""

_LONGEST_TEXT = 131_072
"""What the tokenizers of the published checkpoints say of ``model_max_length``."""

_LABELS = ("<1234.5 seconds> Frame1234: ",)
"""What is written before frames, so that the stand-in has its words."""


@dataclass(frozen=True, slots=True)
class Outline:
    """A model without its weights.

    Attributes:
        model: on the device ``meta``: it has shapes and runs nothing.
        weight_bytes: what its weights take once they are loaded, those shared once.
        quantised: by what its weights are quantised on disk, or None where they are plain.
        counted: its own tokenizer counts the tokens of text, and no stand-in.
    """

    model: ModelAdapter
    weight_bytes: int
    quantised: str | None
    counted: bool


def load_outline(name: str, dtype: torch.dtype) -> Outline:
    """Loads a model by its configuration alone.

    Where a directory has no tokenizer, a stand-in takes its place. It splits text by the rules that
    the families' tokenizers have in common (a digit, a word or a sign is a token), knows no rarer
    words, and has the family's chat format.

    Args:
        name: as :func:`~costream.models.load_model` takes it.
        dtype: of weights and cache.

    Raises:
        ModelError: there is no such model, its family is not supported, or its configuration or
            preprocessing is missing.
    """
    path = locate(name)
    family, config = choose_family(read_model_type(path)), read_config(path)
    counted = any(find_file(path, file) for file in TOKENIZER_FILES)
    stored = quantisation(config)
    if counted:
        model = family.load(path, config, device=torch.device(META), dtype=dtype)
    else:
        model = _load_without_tokenizer(path, family, config, dtype)
    kind = None if stored is None else kind_of(stored)
    return Outline(model, weight_bytes(model, stored), kind, counted)


def _load_without_tokenizer(
    path: str, family: type[ModelAdapter], config: PretrainedConfig, dtype: torch.dtype
) -> ModelAdapter:
    with TemporaryDirectory() as folder:
        _complete(path, Path(folder), family, config)
        try:
            return family.load(folder, config, device=torch.device(META), dtype=dtype)
        except ModelError as error:
            # The sentence is about the user's directory and not about the copy.
            raise ModelError(str(error).replace(folder, path)) from error


def _complete(
    path: str, folder: Path, family: type[ModelAdapter], config: PretrainedConfig
) -> None:
    """Copies a checkpoint's small files beside a stand-in for its tokenizer."""
    for name in _OTHER_FILES:
        if (text := read_file(path, name)) is not None:
            (folder / name).write_text(text, encoding="utf-8")
    size = next(s for s in SIZES.values() if type(s).__module__ == family.__module__)
    tokenizer = build_tokenizer(size, _LABELS)
    tokenizer.model_max_length = _longest_text(path)
    tokenizer.save_pretrained(folder)
    _renumber(config, tokenizer)


def _longest_text(path: str) -> int:
    name = "tokenizer_config.json"
    text = read_file(path, name)
    said = {} if text is None else parse_json(path, name, text)
    longest = said.get("model_max_length")
    return int(longest) if isinstance(longest, int | float) else _LONGEST_TEXT


def _renumber(config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase) -> None:
    """Lets a configuration name the tokens of a video by the stand-in's numbers."""
    known = tokenizer.get_vocab()
    for token, attribute in _IDS.items():
        if token in known and hasattr(config, attribute):
            setattr(config, attribute, known[token])
