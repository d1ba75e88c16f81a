"""The synthetic test split and the long videos, rendered and encoded on first use, then kept."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from costream.lab.evaluate.cache import cached_folder
from costream.lab.synth import write_dataset, write_long_set

_SET_VERSION = 1
"""Raised with every change to what the synthetic camera shows, so that old sets are left alone."""


def synthetic_test_split(videos: int, *, processes: int | None = None) -> Path:
    """Returns the folder of the test split, written to the user's cache where it is not there yet.

    Args:
        videos: how many; a smaller split is the beginning of a larger one.
        processes: how many are made at a time; by default one for each core.

    Raises:
        SettingsError: there are none.
        OSError: the cache can't be written.
    """
    return _kept("test", partial(write_dataset, split="test"), videos, processes)


def synthetic_long_split(videos: int, *, processes: int | None = None) -> Path:
    """Returns the folder of the long videos, as :func:`synthetic_test_split` does the clips'."""
    return _kept("long", write_long_set, videos, processes)


def _kept(name: str, write: Callable[..., object], videos: int, processes: int | None) -> Path:
    count = processes or os.cpu_count() or 1
    return cached_folder(
        f"synthetic-{name}-{videos}-{_SET_VERSION}",
        lambda folder: write(folder, videos=videos, processes=count),
    )
