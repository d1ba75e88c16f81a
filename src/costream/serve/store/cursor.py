"""Where a page of events ended, as clients hand it back."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import replace

from costream.errors import SettingsError
from costream.serve.backend import EventQuery
from costream.serve.events.ulid import is_ulid

_DIGEST = 9


def write_cursor(query: EventQuery, last: str) -> str:
    """Returns the cursor of what comes after the event ``last`` of a query."""
    return base64.urlsafe_b64encode(_digest(query, last) + last.encode("ascii")).decode("ascii")


def read_cursor(query: EventQuery) -> str | None:
    """Returns the last event of the page before; None on the first page.

    Raises:
        SettingsError: the cursor is none of this query.
    """
    if query.cursor is None:
        return None
    try:
        data = base64.b64decode(query.cursor.encode("ascii"), altchars=b"-_", validate=True)
        last = data[_DIGEST:].decode("ascii")
    except (UnicodeError, binascii.Error):
        last = ""
    if not is_ulid(last) or data[:_DIGEST] != _digest(query, last):
        raise SettingsError(
            "the cursor does not belong to these filters: leave it out to begin with the first "
            "page, and hand back `next` of a page with the same filters"
        )
    return last


def _digest(query: EventQuery, last: str) -> bytes:
    filters = repr(replace(query, cursor=None, limit=0))
    return hashlib.sha256(f"{filters}\n{last}".encode()).digest()[:_DIGEST]
