"""What is known of a model by its name: where its files are and what it recommends. Without torch.

The command line asks here before it loads anything, so that a wrong name costs no seconds.
"""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

from costream.errors import ModelError

EMBEDDED_MODEL = "costream/tiny"
"""The model that needs no download, where none is named."""

EMBEDDED = {EMBEDDED_MODEL: "tiny", "costream/tiny-internvl": "tiny-internvl"}
"""The models that come with the package, and their folders in ``costream/weights``."""

UNTRAINED_PREFIX = "costream/untrained-"
"""Begins the names of untrained checkpoints: a size of ``SIZES`` follows."""

RECOMMENDED = "costream.json"
"""How a checkpoint wants to be used where the user does not say."""


def is_untrained(name: str) -> bool:
    """Whether a name is that of a model of ours whose answers mean nothing."""
    return name.startswith(UNTRAINED_PREFIX)


def checkpoint_path(name: str) -> str:
    """Returns the directory of an embedded model; any other name is its own path.

    Raises:
        ModelError: it is neither a directory nor a name that the hub could have.
    """
    if not name:
        raise ModelError("the name of the model is empty: name a directory or one on the hub")
    if name in EMBEDDED:
        return str(resources.files("costream") / "weights" / EMBEDDED[name])
    if name.lower().endswith(".gguf") or _holds_only_gguf(Path(name)):
        raise ModelError(gguf_sentence(name))
    if not Path(name).is_dir() and (name.startswith((".", "/", "~")) or name.count("/") != 1):
        raise ModelError(
            f"unknown model {name!r}: neither a directory nor a name on the hub, and not "
            f"{', '.join(EMBEDDED)}"
        )
    return name


def check_model(name: str) -> None:
    """Checks what can be told of a model's name without asking the hub.

    Raises:
        ModelError: it is neither a checkpoint on this machine nor a name that the hub could have.
    """
    if not is_untrained(name) and Path(path := checkpoint_path(name)).is_dir():
        model_type(path)


def recommended_settings(name: str) -> dict[str, Any]:
    """Returns the settings that a model's checkpoint recommends, by name; none for most.

    Args:
        name: as ``load_model`` takes it.

    Raises:
        ModelError: there is no such model, or its ``costream.json`` can't be used.
    """
    check_model(name)
    if is_untrained(name):
        return {}
    path = checkpoint_path(name)
    text = read_file(path, RECOMMENDED)
    try:
        values = {} if text is None else json.loads(text)
    except ValueError as error:
        raise ModelError(f"{RECOMMENDED} of {path!r} can't be used: {first_line(error)}") from error
    if not isinstance(values, dict):
        raise ModelError(f"{RECOMMENDED} of {path!r} can't be used: it holds no object")
    return values


def model_type(folder: str) -> str:
    """Returns the family that a checkpoint on this machine names in its ``config.json``.

    Raises:
        ModelError: it names none.
    """
    text = read_file(folder, "config.json")
    if text is None:
        raise ModelError(
            f"the directory {folder!r} is no checkpoint in the layout of transformers: it has no "
            "config.json"
        )
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ModelError(f"unknown model {folder!r}: {first_line(error)}") from error
    return named_type(folder, values)


def named_type(path: str, config: Any) -> str:
    """Returns the family that a configuration names.

    Args:
        path: the checkpoint's directory, or its name on the hub.
        config: what ``config.json`` holds.

    Raises:
        ModelError: it names none, or one whose layout is not that of ``transformers``.
    """
    if not isinstance(config, dict) or "model_type" not in config:
        raise ModelError(f"unknown model {path!r}: it has no config.json that names a model_type")
    if config["model_type"] == "internvl_chat":
        raise ModelError(_converted_sentence(path))
    return str(config["model_type"])


def gguf_sentence(path: str) -> str:
    """Returns what is said of a model in the GGUF format."""
    return (
        f"{path!r} is a model in the GGUF format of llama.cpp, which is not supported: take the "
        "checkpoint that it was made of, with config.json and model.safetensors"
    )


def _holds_only_gguf(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    return any(folder.glob("*.gguf")) and not any(folder.glob("*.safetensors"))


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


def read_file(path: str, name: str) -> str | None:
    """Returns the text of a checkpoint's file, or None where it has none of that name.

    Args:
        path: a directory, or a name on the hub, from which the file is fetched.
        name: the file's.

    Raises:
        ModelError: the file is there and can't be read.
    """
    try:
        found = find_file(path, name)
        return None if found is None else found.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"can't read {name} of {path!r}: {first_line(error)}") from error


def find_file(path: str, name: str) -> Path | None:
    """Returns where a checkpoint's file is on this machine, or None where it has none of that name.

    Args:
        path: a directory, or a name on the hub, from which the file is fetched.
        name: the file's.

    Raises:
        ModelError: the hub refuses it.
    """
    if Path(path).is_dir():
        file = Path(path) / name
        return file if file.is_file() else None
    return _fetch(path, name)


def _fetch(repository: str, name: str) -> Path | None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HFValidationError

    try:
        return Path(hf_hub_download(repository, name))
    except EntryNotFoundError:
        # The hub has none, or can't be reached and the cache has none either.
        return None
    except (OSError, HFValidationError) as error:
        raise ModelError(f"can't read {name} of {repository!r}: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """Returns the first line of an error's text, for a message of one sentence."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
