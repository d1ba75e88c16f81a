"""The synthetic test split, rendered and encoded on first use and then kept."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from costream.lab.synth import write_dataset

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
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "costream"
    target = cache / f"synthetic-test-{videos}-{_SET_VERSION}"
    if not target.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        # Written aside and renamed, so that an interrupted set is never taken for a whole one.
        aside = Path(tempfile.mkdtemp(dir=cache))
        try:
            count = processes or os.cpu_count() or 1
            write_dataset(aside, split="test", videos=videos, processes=count)
            aside.rename(target)
        except OSError:
            shutil.rmtree(aside, ignore_errors=True)
            # Another process may have been the first: its set is the same.
            if not target.is_dir():
                raise
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
    return target
