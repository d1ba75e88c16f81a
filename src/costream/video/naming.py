"""What a source is called: as a protocol, as a path, and without its passwords."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import BinaryIO

SourceLike = str | os.PathLike[str] | BinaryIO
"""A path, a URL, ``"-"`` for standard input, or an open binary file."""

_MASK = "***"
_AUTHORITY = re.compile(
    r"(?P<user>[a-z][a-z0-9+.-]*://[^/?#\s:@]*):(?P<rest>[^\s]*)", re.IGNORECASE
)
_SECRET = re.compile(
    r"(?P<key>[?&;][^=&;]*(?:pass|pwd|token|secret|key|auth|sig)[^=&;]*=)[^&;#\s]*", re.IGNORECASE
)


def masked(source: SourceLike) -> str:
    """Returns the source's name as it may be shown: passwords in URLs become ``***``.

    Masked are the password before the host and the values of query parameters that look secret
    (such as ``password``, ``token`` or ``key``).
    """
    if source == "-":
        return "standard input"
    if not isinstance(source, (str, os.PathLike)):
        return f"<{type(source).__name__}>"
    return _SECRET.sub(rf"\g<key>{_MASK}", _AUTHORITY.sub(_mask_password, os.fspath(source)))


def _mask_password(match: re.Match[str]) -> str:
    user, rest = match["user"], match["rest"]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    # A password with a slash in it ends at the last @ of all, one without at its authority's last.
    end = authority.rfind("@") if "@" in authority else rest.rfind("@")
    return match[0] if end < 0 else f"{user}:{_MASK}{rest[end:]}"


def protocol(source: SourceLike) -> str | None:
    """Returns the URL's protocol in lower case, or None for a local path or an open file."""
    if not isinstance(source, str) or "://" not in source:
        return None
    name = source.split("://", 1)[0].lower()
    return None if name == "file" else name


def is_path(source: SourceLike) -> bool:
    """Whether the source is named by a path on this machine."""
    return isinstance(source, (str, os.PathLike)) and source != "-" and protocol(source) is None


def path_of(source: SourceLike) -> Path:
    """Returns the path that names a source."""
    assert isinstance(source, (str, os.PathLike))
    path = os.fspath(source)
    return Path(path[len("file://") :] if path.lower().startswith("file://") else path)


def plain_reason(error: Exception) -> str:
    """Says in a clause what the system said."""
    text = getattr(error, "strerror", None) or type(error).__name__
    return text[:1].lower() + text[1:]
