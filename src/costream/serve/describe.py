"""A sentence about what a camera shows: for people to read, never a decision."""

from __future__ import annotations

import logging
import re
import threading

from costream.checkpoints import EMBEDDED
from costream.engine.handle import WatchHandle
from costream.errors import CoStreamError

FORM = "{ask} Describe in one short sentence what the video shows of it."
"""How a sentence is asked for. The embedded models know their questions alone, and are asked these.
"""

MAX_TOKENS = 48

PATIENCE = 10.0
"""Seconds after which a sentence is left as far as it was written."""

_VERDICT = re.compile(r"^(?:yes|no)\b[\s.,:;!–—-]*", re.IGNORECASE)
_SENTENCE = re.compile(r".+?[.!?](?=\s|$)", re.DOTALL)

logger = logging.getLogger(__name__)


def describe(
    handle: WatchHandle, ask: str, *, model: str, patience: float = PATIENCE
) -> str | None:
    """Has the model say in one sentence what the camera's last window shows.

    The sentence decides nothing: a "yes" or "no" that it begins with is left out, so that nobody
    takes it for one. It takes at most :data:`MAX_TOKENS` tokens and ``patience`` seconds.

    Args:
        handle: the camera.
        ask: the question of the event.
        model: the model's name.
        patience: seconds after which it is left at that.

    Returns:
        The sentence, or None where there is none: the camera has no window, the model said
        nothing, or not in time.
    """
    wording = ask if model in EMBEDDED else FORM.replace("{ask}", ask)
    try:
        reply = handle.inquire(wording, max_tokens=MAX_TOKENS, stop=["\n"])
    except CoStreamError as error:
        logger.warning("no sentence about an event: %s", error)
        return None
    timer = threading.Timer(patience, reply.cancel)
    timer.start()
    try:
        text = reply.read()
    except CoStreamError as error:
        logger.warning("no sentence about an event: %s", error)
        return None
    finally:
        timer.cancel()
    return sentence_of(text) if reply.finish != "cancelled" else None


def sentence_of(text: str) -> str | None:
    """Returns the first sentence of a text behind its yes or no; None where there is none."""
    rest = " ".join(_VERDICT.sub("", text.strip()).split())
    found = _SENTENCE.match(rest)
    sentence = found[0] if found else rest
    return sentence[:1].upper() + sentence[1:] or None
