"""Untrained checkpoints of the real architectures in the real Hugging Face layout.

Weights can't always be had: these let the one loading path, ``from_pretrained``, run anywhere.
Their answers mean nothing; shapes, costs and equality with the stock classes do.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from costream.errors import ModelError, SettingsError

_LAYOUT_VERSION = 3
"""Raised with every change to what is written here, so that old caches are left alone."""

_CHAT_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")

# Qwen's pre-tokenisation: digits one by one, words with their leading space.
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

_CORPUS = """
Yes. No. Yes, there is. No, there is not. yes no YES NO <0.5 seconds> <12.3 seconds>
Is someone fighting? Is anyone running? Has a person fallen? Did somebody fall and stay down?
Describe the frames and determine if they show an event. Start your response with 'Yes' or 'No'.
Is there a fire or smoke? Was an object left behind? Is a bag abandoned? Was something taken?
Is a vehicle going the wrong way? Is anybody entering the forbidden zone? Is someone loitering?
A person walks into the picture, stands still, sits down, falls, lies on the floor and leaves.
Two people walk, hug, push, hit, fight and run away. A car enters, stops, turns, reverses, parks.
The camera shows a street, a shop, a hall, a car park, a corridor at night. Nothing happens here.
system user assistant You are a helpful assistant that watches cameras and answers questions.
"""


@dataclass(frozen=True)
class ModelSize(ABC):
    """Dimensions of an untrained checkpoint. Each family derives its own and knows its layout.

    Attributes:
        hidden: width of the language model, in heads of 64 where it allows.
        layers: its depth.
        intermediate: width of its MLPs.
        heads: query heads.
        kv_heads: key and value heads.
        vision_hidden: width of the vision encoder.
        vision_depth: its depth.
        vision_heads: its heads.
    """

    chat_template: ClassVar[str]
    """The family's chat format, a Jinja template."""

    special_tokens: ClassVar[tuple[str, ...]]
    """The family's tokens beside those of the chat format."""

    named_tokens: ClassVar[Mapping[str, str]] = {}
    """Special tokens that the tokenizer has by a name of their own."""

    hidden: int
    layers: int
    intermediate: int
    heads: int
    kv_heads: int
    vision_hidden: int
    vision_depth: int
    vision_heads: int

    @abstractmethod
    def build(self, tokenizer: PreTrainedTokenizerFast) -> Any:
        """Builds the stock class with random weights, on the current default device."""

    @abstractmethod
    def preprocessing(self) -> dict[str, Any]:
        """Returns the content of ``video_preprocessor_config.json``."""

    def text_config(self, tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
        """Returns what all families' text models call by the same names."""
        return {
            "vocab_size": len(tokenizer),
            "hidden_size": self.hidden,
            "intermediate_size": self.intermediate,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.hidden // self.heads,
            "tie_word_embeddings": True,
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        }


SIZES: dict[str, ModelSize] = {}
"""Named sizes of all families, filled by their modules: ``costream/untrained-NAME`` loads one."""


def write_untrained(
    path: Path, size: str | ModelSize = "test", *, seed: int = 0, corpus: Sequence[str] = ()
) -> Path:
    """Writes configuration, tokenizer, preprocessing and random weights.

    Args:
        path: the directory to write; it is created.
        size: a size, or the name of one of :data:`SIZES`.
        seed: of the weights.
        corpus: lines that the tokenizer's vocabulary is to cover well, beside its own.

    Returns:
        The directory.

    Raises:
        SettingsError: there is no such size.
    """
    if isinstance(size, str):
        size = _named(size)
    path.mkdir(parents=True, exist_ok=True)
    tokenizer = build_tokenizer(size, corpus)
    tokenizer.save_pretrained(path)
    settings = json.dumps(size.preprocessing(), indent=2)
    (path / "video_preprocessor_config.json").write_text(settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        size.build(tokenizer).save_pretrained(path)
    return path


def _named(name: str) -> ModelSize:
    if name not in SIZES:
        raise SettingsError(f"unknown size {name!r}: choose one of {', '.join(SIZES)}")
    return SIZES[name]


def cached_untrained(size: str) -> Path:
    """Returns the directory of an untrained checkpoint, written on first use to the user's cache.

    Raises:
        ModelError: there is no such size, or the cache can't be written.
    """
    if size not in SIZES:
        raise ModelError(f"no untrained model of size {size!r}: choose one of {', '.join(SIZES)}")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "costream"
    try:
        return _cached(cache, size)
    except OSError as error:
        raise ModelError(f"can't write a checkpoint to {cache}: {error.strerror}") from error


def _cached(cache: Path, size: str) -> Path:
    target = cache / f"untrained-{size}-{_LAYOUT_VERSION}"
    if not target.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        # Written aside and renamed, so that two processes starting at once both find it whole.
        aside = Path(tempfile.mkdtemp(dir=cache))
        try:
            write_untrained(aside, size).rename(target)
        except OSError:
            shutil.rmtree(aside)
            if not target.is_dir():
                raise
    return target


def build_tokenizer(size: ModelSize, corpus: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    """Trains a small byte-level BPE tokenizer with a family's special tokens and chat format.

    Args:
        size: of the family.
        corpus: lines to learn from, beside its own.
    """
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1536,
        special_tokens=[*_CHAT_TOKENS, *size.special_tokens],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator([*_CORPUS.splitlines(), *corpus], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=size.chat_template,
        extra_special_tokens=dict(size.named_tokens),
    )
