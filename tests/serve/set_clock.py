"""A wall clock for processes under test, which is set while they run."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("set_clock.c")


class SetClock:
    """The wall clock of processes that are started with its environment; others keep theirs.

    Attributes:
        environment: of those processes.
        ahead: seconds by which their clock differs from this one.
    """

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            pytest.skip("no C compiler: install Debian's gcc to set the clock of a process")
        if sys.version_info < (3, 11):
            pytest.skip("Python 3.10 itself waits by the wall clock")
        library = folder / "set_clock.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", SOURCE, "-o", library], check=True)
        self._file = folder / "clock"
        self.ahead = 0
        self.set(0)
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_FILE": str(self._file)}

    def set(self, ahead: int) -> None:
        """Sets their clock so far ahead of this one, or back."""
        self.ahead = ahead
        # In place, as the file is mapped.
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(ahead.to_bytes(8, sys.byteorder, signed=True))

    def now(self) -> float:
        """Returns what time it is to them, seconds since 1970."""
        return time.time() + self.ahead
