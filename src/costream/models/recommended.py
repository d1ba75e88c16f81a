"""``costream.json``: how a checkpoint wants to be used where the user does not say."""

from __future__ import annotations

import json
from typing import Any

from costream.errors import ModelError
from costream.models.checkpoint import first_line, read_file

RECOMMENDED = "costream.json"


def read_recommended(path: str) -> dict[str, Any]:
    """Reads the settings that a checkpoint recommends: names and values of ``EngineSettings``.

    Args:
        path: a directory or a name on the hub.

    Returns:
        Nothing for a checkpoint without the file.

    Raises:
        ModelError: the file is not a JSON object.
    """
    text = read_file(path, RECOMMENDED)
    try:
        values = {} if text is None else json.loads(text)
    except ValueError as error:
        raise ModelError(f"{RECOMMENDED} of {path!r} can't be used: {first_line(error)}") from error
    if not isinstance(values, dict):
        raise ModelError(f"{RECOMMENDED} of {path!r} can't be used: it holds no object")
    return values
