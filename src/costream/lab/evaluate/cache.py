"""What takes long to make, kept in the user's cache from one run to the next."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def cached_folder(name: str, fill: Callable[[Path], object]) -> Path:
    """Returns a folder of the user's cache, which is made where it is not there yet.

    Args:
        name: the folder's name, different for all different contents.
        fill: writes the contents into the folder that it is given.

    Raises:
        OSError: the cache can't be written.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "costream"
    target = cache / name
    if not target.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        # Written aside and renamed, so that an interrupted one is never taken for a whole one.
        aside = Path(tempfile.mkdtemp(dir=cache))
        try:
            fill(aside)
            aside.rename(target)
        except OSError:
            shutil.rmtree(aside, ignore_errors=True)
            # Another process may have been the first: its contents are the same.
            if not target.is_dir():
                raise
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
    return target
