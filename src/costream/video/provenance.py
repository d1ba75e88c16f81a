"""Whether a file was rendered by the synthetic camera: it says so in its metadata."""

from __future__ import annotations

import os
from pathlib import Path

import av

SYNTHETIC = "rendered by CoStream's synthetic camera"
"""What a file's comment says of its pictures, where the container has room for one."""

SCHEME = "synthetic:"
"""What the name of a synthetic camera begins with that is rendered while it is read."""


def is_synthetic(path: str | os.PathLike[str]) -> bool:
    """Whether a file says that it was rendered here. What can't be read does not say so."""
    if os.fspath(path).startswith(SCHEME):
        return True
    if not Path(path).is_file():
        return False
    try:
        with av.open(os.fspath(path), metadata_errors="replace") as container:
            return SYNTHETIC in container.metadata.values()
    except (av.FFmpegError, OSError, ValueError):
        return False
