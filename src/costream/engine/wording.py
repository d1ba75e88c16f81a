"""How a question is put to a model, and when two spellings are one question."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

PUBLISHED_FORM = "{ask} Start your response with 'Yes' or 'No'."
"""How a question is put: the published wording (arXiv 2604.06036)."""

_KEPT_FORMS = ("<super>", "<sub>", "<fraction>", "<circle>", "<square>")
"""Compatibility characters that mean something else than their plain form: 10² is not 102."""

_APOSTROPHES = dict.fromkeys(map(ord, "‘’ʼ`´"), "'")
_HYPHENS = dict.fromkeys(map(ord, "‐‑‒–—―"), "-")

_PUNCTUATION = re.compile(
    r"""
      [?!;:"“”„«»‹›()\[\]…¿¡؟。،、]     # never part of a word or a number
    | (?<!\d)[.,] | [.,](?!\d)         # 1.5 and 1,000 stay as they are
    | (?<!\w)' | '(?!\w)               # quotes, not the apostrophe of "isn't"
    | (?<=[^\W\d])-(?=[^\W\d])         # wrong-way, but not -5
    """,
    re.VERBOSE,
)


def put(ask: str, form: str) -> str:
    """Returns a question the way that a model is asked it: in a form that holds ``{ask}``."""
    return form.replace("{ask}", ask)


@lru_cache(maxsize=4096)
def meaning(ask: str) -> str:
    """Returns what all spellings of one question share, to look it up by.

    Case, white space, sentence punctuation (with or without the question mark), kinds of quotes and
    hyphens, and Unicode's forms of the same character make no difference. Words, their order, and
    signs that carry meaning (``-5``, ``1.5``, ``50%``, ``10²``) do: questions that differ in any of
    these are two questions.
    """
    text = "".join(map(_plain, ask)).translate(_APOSTROPHES | _HYPHENS)
    text = " ".join(unicodedata.normalize("NFC", text.casefold()).split())
    return " ".join(_PUNCTUATION.sub(" ", text).split()) or text


def _plain(character: str) -> str:
    if unicodedata.category(character) == "Cf":
        return ""  # Byte order marks, soft hyphens, joiners: nobody sees them.
    if unicodedata.decomposition(character).startswith(_KEPT_FORMS):
        return character
    return unicodedata.normalize("NFKC", character)
