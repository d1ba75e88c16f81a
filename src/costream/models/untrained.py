"""Untrained checkpoints of the real architecture in the real Hugging Face layout.

Weights can't always be had: these let the one loading path, ``from_pretrained``, run anywhere.
Their answers mean nothing; shapes, costs and equality with the stock classes do.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLMoeConfig,
    Qwen3VLMoeForConditionalGeneration,
)

from costream.errors import ModelError, SettingsError

_LAYOUT_VERSION = 2
"""Raised with every change to what is written here, so that old caches are left alone."""

_SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)

# Qwen's pre-tokenisation: digits one by one, words with their leading space.
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

_CHAT_TEMPLATE = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.content is string %}{{ message.content }}{% else -%}
{%- for part in message.content -%}
{%- if part.type == 'video' -%}<|vision_start|><|video_pad|><|vision_end|>
{%- elif part.type == 'image' -%}<|vision_start|><|image_pad|><|vision_end|>
{%- else -%}{{ part.text }}{%- endif -%}
{%- endfor -%}
{%- endif %}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% endif -%}"""

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
class ModelSize:
    """Dimensions of an untrained checkpoint.

    Attributes:
        hidden: width of the language model, in heads of 64 where it allows.
        layers: its depth.
        intermediate: width of its MLPs.
        heads: query heads.
        kv_heads: key and value heads.
        vision_hidden: width of the vision encoder.
        vision_depth: its depth.
        vision_heads: its heads.
        deepstack: layers of the encoder whose features go to the first layers of the language
            model.
        experts: experts of a mixture-of-experts text model, 0 for a dense one.
    """

    hidden: int
    layers: int
    intermediate: int
    heads: int
    kv_heads: int
    vision_hidden: int
    vision_depth: int
    vision_heads: int
    deepstack: tuple[int, ...]
    experts: int = 0


SIZES = {
    "test": ModelSize(64, 3, 128, 4, 2, 32, 3, 2, (0, 1)),
    "test-moe": ModelSize(64, 2, 128, 4, 2, 32, 2, 2, (0,), experts=4),
    "tiny": ModelSize(192, 4, 512, 6, 2, 192, 4, 3, (1,)),
    "150m": ModelSize(768, 14, 2432, 12, 4, 512, 10, 8, (3, 6)),
}
"""Named sizes. ``tiny`` has about 5 million parameters, ``150m`` about 150 million."""


def write_untrained(
    path: Path, size: str = "test", *, seed: int = 0, corpus: Sequence[str] = ()
) -> Path:
    """Writes configuration, tokenizer, preprocessing and random weights of a Qwen3-VL.

    Args:
        path: the directory to write; it is created.
        size: one of :data:`SIZES`.
        seed: of the weights.
        corpus: lines that the tokenizer's vocabulary is to cover well, beside its own.

    Returns:
        The directory.

    Raises:
        SettingsError: there is no such size.
    """
    if size not in SIZES:
        raise SettingsError(f"unknown size {size!r}: choose one of {', '.join(SIZES)}")
    path.mkdir(parents=True, exist_ok=True)
    tokenizer = build_tokenizer(corpus)
    tokenizer.save_pretrained(path)
    _write_preprocessing(path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        build_model(SIZES[size], tokenizer).save_pretrained(path)
    return path


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


def build_tokenizer(corpus: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    """Trains a small byte-level BPE tokenizer with Qwen's special tokens and chat format.

    Args:
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
        special_tokens=list(_SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator([*_CORPUS.splitlines(), *corpus], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=_CHAT_TEMPLATE,
    )


def _write_preprocessing(path: Path) -> None:
    settings = {
        "size": {"shortest_edge": 4096, "longest_edge": 25165824},
        "max_video_tokens": 768,
        "patch_size": 16,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "video_processor_type": "Qwen3VLVideoProcessor",
    }
    (path / "video_preprocessor_config.json").write_text(json.dumps(settings, indent=2))


def build_model(
    size: ModelSize, tokenizer: PreTrainedTokenizerFast
) -> Qwen3VLForConditionalGeneration | Qwen3VLMoeForConditionalGeneration:
    """Builds the stock class at a size, with random weights, on the current default device."""
    options = {
        "text_config": _text_config(size, tokenizer),
        "vision_config": _vision_config(size),
        "image_token_id": tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        "video_token_id": tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        "vision_start_token_id": tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        "vision_end_token_id": tokenizer.convert_tokens_to_ids("<|vision_end|>"),
        "tie_word_embeddings": True,
    }
    if size.experts:
        return Qwen3VLMoeForConditionalGeneration(Qwen3VLMoeConfig(**options))
    return Qwen3VLForConditionalGeneration(Qwen3VLConfig(**options))


def _text_config(size: ModelSize, tokenizer: PreTrainedTokenizerFast) -> dict[str, object]:
    head_dim = size.hidden // size.heads
    sections = [head_dim // 2 - 2 * (head_dim // 6), head_dim // 6, head_dim // 6]
    rope = {
        "rope_type": "default",
        "rope_theta": 5_000_000.0,
        "mrope_section": sections,
        "mrope_interleaved": True,
    }
    experts = {
        "num_experts": size.experts,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": size.intermediate // 2,
    }
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": size.hidden,
        "intermediate_size": size.intermediate,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.kv_heads,
        "head_dim": head_dim,
        "rope_parameters": rope,
        "tie_word_embeddings": True,
        **(experts if size.experts else {}),
    }


def _vision_config(size: ModelSize) -> dict[str, object]:
    return {
        "depth": size.vision_depth,
        "hidden_size": size.vision_hidden,
        "intermediate_size": 4 * size.vision_hidden,
        "num_heads": size.vision_heads,
        "out_hidden_size": size.hidden,
        "num_position_embeddings": 48 * 48,
        "deepstack_visual_indexes": list(size.deepstack),
    }
