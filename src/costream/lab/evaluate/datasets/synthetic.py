"""The synthetic test split and the long videos, rendered and encoded on first use, then kept."""

from __future__ import annotations

import os
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
    count = processes or os.cpu_count() or 1
    return cached_folder(
        f"synthetic-test-{videos}-{_SET_VERSION}",
        lambda folder: write_dataset(folder, split="test", videos=videos, processes=count),
    )


def synthetic_long_split(videos: int, *, processes: int | None = None) -> Path:
    """Returns the folder of the long videos, written to the cache where it is not there yet.

    Args:
        videos: how many; a smaller set is the beginning of a larger one.
        processes: how many are made at a time; by default one for each core.

    Raises:
        SettingsError: there are none.
        OSError: the cache can't be written.
    """
    count = processes or os.cpu_count() or 1
    return cached_folder(
        f"synthetic-long-{videos}-{_SET_VERSION}",
        lambda folder: write_long_set(folder, videos=videos, processes=count),
    )
