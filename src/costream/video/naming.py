"""What a source is called: as a protocol, as a path, and without its passwords."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from costream.printable import printable

SourceLike = str | os.PathLike[str] | BinaryIO
"""A path, a URL, ``"-"`` for standard input, or an open binary file."""

_MASK = "***"
_QUERY = re.compile(r"(?P<start>[?&;#](?P<key>[^=&;#?]*)=)(?P<value>[^&;#|]*)")
_SECRET = r"(?:pass|pwd|pin|token|secret|key|auth|sig|cred|code|hash)"
_NAMED_SECRET = re.compile(
    rf"(?P<start>{_SECRET}[a-z]*=)(?P<value>.*?)(?=[&;#/?|]|_[a-z]+=|$)", re.IGNORECASE
)
_FORGOTTEN_SCHEME = re.compile(
    r"(?P<start>(?:^(?:[a-z]+:/{0,2})?[^/:@]+:(?=.*@)|[^/:@]+:(?=[^/]*@))).*@", re.I | re.S
)
_FURTHER_URL = re.compile(r"(?<=[=|,;&?#/])[a-z][a-z0-9+.-]*://", re.IGNORECASE)

_SHOWN = frozenset(
    {
        "cam",
        "camera",
        "channel",
        "codec",
        "device",
        "fps",
        "height",
        "id",
        "mode",
        "name",
        "profile",
        "resolution",
        "stream",
        "subtype",
        "transport",
        "user",
        "width",
    }
)
"""Query parameters whose values tell one camera from another. All others may be secrets."""

_SHORT = 3


def masked(source: SourceLike) -> str:
    """Returns the source's name as it may be shown: what might be secret in it becomes ``***``.

    That is, in URLs, the password before the host, up to the last ``@`` that may belong to it:
    people write ``@``, ``/`` and ``?`` in it as they are, and a host that can't be told from a
    password is hidden with it. So are the values of query parameters except short ones and those
    that are known to tell cameras apart (such as ``channel``). What stands in a
    URL's path can't be told from a folder's name and is shown, unless it is of the form
    ``password=...``. Control characters of a URL are escaped. A path stays as it is: whoever shows
    it escapes them, by :func:`~costream.printable.printable`.
    """
    if source == "-":
        return "standard input"
    if not isinstance(source, (str, os.PathLike)):
        return f"<{type(source).__name__}>"
    name = os.fspath(source)
    scheme, mark, rest = name.partition("://")
    if mark:
        return scheme + mark + _mask_url(printable(rest))
    return _FORGOTTEN_SCHEME.sub(rf"\g<start>{_MASK}@", name) if isinstance(source, str) else name


def _mask_url(rest: str) -> str:
    """Masks what follows a scheme: authority, path, query, and further URLs within."""
    rest = _mask_password(rest)
    head, mark, tail = rest.partition("://")
    head = _NAMED_SECRET.sub(rf"\g<start>{_MASK}", _QUERY.sub(_mask_value, head))
    return head + mark + _mask_url(tail) if mark else head


def _mask_password(rest: str) -> str:
    further = _FURTHER_URL.search(rest)
    own = rest[: further.start()] if further else rest
    # What looks like a further URL may be the password's as well, where no @ comes before it.
    end = own.rfind("@") if "@" in own else rest.rfind("@")
    colon = own.find(":", 0, max(end, 0))
    return rest if colon < 0 else f"{rest[: colon + 1]}{_MASK}{rest[end:]}"


def _mask_value(match: re.Match[str]) -> str:
    key, value = unquote(match["key"]).lower(), match["value"]
    short = len(value) <= _SHORT and not re.search(_SECRET, key)
    return match["start"] + (value if short or key in _SHOWN else _MASK)


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
