"""Reading checkpoints of the Hugging Face layout: weights, tokenizer, preprocessing, answers."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from huggingface_hub.errors import HFValidationError
from safetensors import SafetensorError
from torch import Tensor
from transformers import (
    AutoTokenizer,
    GenerationConfig,
    PretrainedConfig,
    PreTrainedTokenizerBase,
)

from costream.checkpoints import find_file, first_line, read_file
from costream.errors import ModelError
from costream.models.dequantised import DEQUANTISED, EXPERT, read_dequantised
from costream.models.quantised import check_products, method_of, plain_config, quantisation

T = TypeVar("T")

logger = logging.getLogger("costream")

_UNREADABLE = (OSError, ValueError, KeyError, RuntimeError, HFValidationError, SafetensorError)


TOKENIZER_FILES = ("tokenizer.json", "vocab.json")
"""One of them is there: of the byte-level tokenizers that all supported families have."""


def load_weights(
    family: Any, path: str, config: PretrainedConfig, *, device: torch.device, dtype: torch.dtype
) -> Any:
    """Loads a stock class with ``from_pretrained``, in evaluation mode.

    On the device ``meta`` the class is built by its configuration and has shapes alone: no file of
    weights is read, and quantised ones have the shapes of what they stand for.

    Raises:
        ModelError: files are missing or broken, or don't hold the weights that the config asks
            for; or the weights are quantised in a way that can't be loaded here.
    """
    options: dict[str, Any] = {
        "dtype": dtype,
        "attn_implementation": "sdpa",
        "output_loading_info": True,
        # Told below, with the name of a weight.
        "ignore_mismatched_sizes": True,
    }
    if device.type == "meta":
        return _without_weights(family, config, dtype)
    generation = _read_generation(path)
    values = quantisation(config)
    method = None if values is None else method_of(path, values)
    try:
        if values is None or method is None:
            model, info = family.from_pretrained(path, config=config, **options)
        elif method in DEQUANTISED:
            model, info = _load_dequantised(family, path, config, method, options)
        else:
            model, info = _load_quantised(family, path, config, values, device, options)
    except (*_UNREADABLE, ImportError, TypeError) as error:
        raise ModelError(f"can't load the weights of {path!r}: {first_line(error)}") from error
    _check_weights(path, info)
    model.generation_config = generation or model.generation_config
    if method is None or method in DEQUANTISED:
        return model.to(device).eval()
    # The library has put its weights where they belong, and may forbid to move them.
    check_products(path, model.eval(), dtype)
    return model


def _without_weights(family: Any, config: PretrainedConfig, dtype: torch.dtype) -> Any:
    with torch.device("meta"):
        return family(plain_config(config)).to(dtype).eval()


def _load_dequantised(
    family: Any, path: str, config: PretrainedConfig, method: str, options: Mapping[str, Any]
) -> Any:
    dtype = options["dtype"]
    logger.warning(
        "%s has %s weights: they are dequantised to %s and take the memory of plain ones",
        path,
        method.upper(),
        str(dtype).removeprefix("torch."),
    )
    stacked = config.model_type == "qwen3_vl_moe"
    weights = read_dequantised(path, method, quantisation(config) or {}, dtype, stacked=stacked)
    return family.from_pretrained(None, config=plain_config(config), state_dict=weights, **options)


def _load_quantised(
    family: Any,
    path: str,
    config: PretrainedConfig,
    values: Mapping[str, Any],
    device: torch.device,
    options: Mapping[str, Any],
) -> Any:
    copy = plain_config(config)
    if values.get("quant_method") == "compressed-tensors":
        # Else its library would do it in the first forward pass.
        values = {**values, "dequantize": True}
    copy.quantization_config = dict(values)
    model, info = family.from_pretrained(path, config=copy, device_map={"": device}, **options)
    if any(map(EXPERT.search, info["unexpected_keys"])):
        raise ModelError(
            f"the checkpoint {path!r} has its experts quantised each on its own, which loads of "
            f"{', '.join(sorted(DEQUANTISED))} only: choose one of these, or plain weights"
        )
    return model, info


def _read_generation(path: str) -> GenerationConfig | None:
    name = "generation_config.json"
    text = read_file(path, name)
    if text is None:
        return None
    try:
        return GenerationConfig.from_dict(parse_json(path, name, text))
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"{name} of {path!r} can't be used: {first_line(error)}") from error


def _check_weights(path: str, info: dict[str, Any]) -> None:
    # A vision encoder's unused head is no harm; a language model with more layers than said is.
    unexpected = {key for key in info["unexpected_keys"] if "language_model" in key}
    problems = (
        ("lacks {} weights", info["missing_keys"]),
        ("has {} weights of another shape than its config says", info["mismatched_keys"]),
        ("has {} weights that its config has no place for", unexpected),
    )
    for problem, keys in problems:
        if keys:
            # A mismatched key comes with its shapes.
            names = sorted(key if isinstance(key, str) else key[0] for key in keys)
            raise ModelError(
                f"the checkpoint {path!r} {problem.format(len(names))}, such as {names[0]}"
            )


def load_tokenizer(path: str) -> PreTrainedTokenizerBase:
    """Loads the checkpoint's tokenizer, with the chat template of its processor where it has one.

    Raises:
        ModelError: there is none, or it has no chat template.
    """
    if not any(find_file(path, name) for name in TOKENIZER_FILES):
        raise ModelError(
            f"the checkpoint {path!r} has no tokenizer: {TOKENIZER_FILES[0]} is missing"
        )
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(path)
    except _UNREADABLE as error:
        raise ModelError(f"can't load the tokenizer of {path!r}: {first_line(error)}") from error
    # A tokenizer's own template knows nothing of videos in some families: the processor's is first.
    tokenizer.chat_template = _processor_template(path) or tokenizer.chat_template
    if tokenizer.chat_template is None:
        raise ModelError(f"the checkpoint {path!r} has no chat template")
    return tokenizer


def _processor_template(path: str) -> str | None:
    if (text := read_file(path, "chat_template.jinja")) is not None:
        return text
    text = read_file(path, "chat_template.json")
    return (
        None if text is None else str(parse_json(path, "chat_template.json", text)["chat_template"])
    )


def read_preprocessing(path: str, parse: Callable[[dict[str, Any]], T]) -> T:
    """Reads how the checkpoint's video processor is configured.

    That is ``video_preprocessor_config.json``, or the part of ``processor_config.json`` that
    newer checkpoints have for it, or ``preprocessor_config.json``, the image processor's.

    Args:
        path: a directory or a name on the hub.
        parse: makes settings of the configuration's values.

    Raises:
        ModelError: no file is there, or one lacks a value.
    """
    for name, part in _PREPROCESSING:
        text = read_file(path, name)
        values = None if text is None else parse_json(path, name, text)
        if values and part:
            values = values.get(part)
        if values is not None:
            return _settings(path, name, values, parse)
    raise ModelError(f"the checkpoint {path!r} has no {_PREPROCESSING[0][0]}")


_PREPROCESSING = (
    ("video_preprocessor_config.json", None),
    ("processor_config.json", "video_processor"),
    ("preprocessor_config.json", None),
)


def _settings(
    path: str, name: str, values: dict[str, Any], parse: Callable[[dict[str, Any]], T]
) -> T:
    try:
        return parse(values)
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{name} of {path!r} can't be used: {_problem(error)}") from error


def parse_json(path: str, name: str, text: str) -> dict[str, Any]:
    """Returns what a checkpoint's JSON file holds.

    Args:
        path: the checkpoint, for messages.
        name: the file's name, for messages.
        text: its text.

    Raises:
        ModelError: it is no JSON, or no object of it.
    """
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ModelError(f"{name} of {path!r} can't be used: {first_line(error)}") from error
    if not isinstance(values, dict):
        raise ModelError(f"{name} of {path!r} can't be used: it holds no object")
    return values


def _problem(error: Exception) -> str:
    return f"it lacks {error}" if isinstance(error, KeyError) else first_line(error)


def stop_ids(generation: Any, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Returns the tokens that end an answer.

    They are those of ``generation_config.json``. Where it names none, or only repeats the model's
    configuration, they are that one's and the tokenizer's end and padding tokens.

    Args:
        generation: the model's ``GenerationConfig``.
        tokenizer: the checkpoint's.
    """
    said = generation.eos_token_id
    ends = set(said) if isinstance(said, list) else {said}
    if ends == {None} or getattr(generation, "_from_model_config", False):
        ends |= {tokenizer.eos_token_id, tokenizer.pad_token_id}
    return frozenset(token for token in ends if token is not None)


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
