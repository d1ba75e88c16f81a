"""What the URL of a synthetic camera says: ``synthetic:KIND[:SEED]``."""

from __future__ import annotations

from typing import get_args

from costream.errors import SettingsError
from costream.lab.synth.events import EventKind
from costream.video.provenance import SCHEME

QUIET, ALL = "quiet", "programme"
"""Kinds beside those of events: nothing ever happens; one kind after the other does."""


def parse_synthetic(url: str) -> tuple[str, int]:
    """Reads ``synthetic:KIND[:SEED]``: returns the kind and the seed, 0 by default.

    Raises:
        SettingsError: there is no such kind, or the seed is no number.
    """
    kind, _, seed = url[len(SCHEME) :].partition(":")
    kinds = (*get_args(EventKind), QUIET, ALL)
    if kind not in kinds:
        raise SettingsError(
            f"there is no synthetic camera {kind!r}: choose one of {', '.join(kinds)}"
        )
    if not (seed or "0").isascii() or not (seed or "0").isdigit() or len(seed) > 9:
        raise SettingsError(f"the seed of a synthetic camera is a number, not {seed!r}")
    return kind, int(seed or 0)
