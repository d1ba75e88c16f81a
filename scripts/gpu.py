"""Checks and measures CoStream on a GPU: scripts/gpu.py FOLDER [--device cuda] [--minutes 10].

Each part runs in a process of its own with a share of the time, so that one that fails, hangs or
breaks the device's context ends no other. FOLDER gets PART.json and PART.log of each, and
summary.json. Ends with status 1 where a part did not pass. With ``--device cpu`` all parts run at
small sizes: that shows that the script works, and nothing about a GPU. None of it ever ran on one.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Setup:
    """Where parts run.

    Attributes:
        device: a torch device, such as ``cuda``.
        small: whether sizes are such that a CPU is done in seconds.
        folder: for files of theirs.
    """

    device: str
    small: bool
    folder: Path


class Report:
    """What came of a part. It is written with every note, and so is there if the part is ended.

    Args:
        file: the JSON file to write.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._begun = time.monotonic()
        self.notes: dict[str, Any] = {}
        self.failures: list[str] = []

    def note(self, name: str, value: Any) -> None:
        """Notes a result."""
        print(f"{time.monotonic() - self._begun:7.2f} s  {name}: {value}", flush=True)
        self.notes[name] = value
        self.write("unfinished")

    def check(self, name: str, right: bool, value: Any) -> None:
        """Notes a result that is right or wrong."""
        if not right:
            self.failures.append(name)
        self.note(name, {"right": bool(right), "value": value})

    def write(self, status: str) -> None:
        """Writes what there is."""
        seconds = time.monotonic() - self._begun
        found = {"status": status, "seconds": seconds, "failures": self.failures}
        self._file.write_text(json.dumps({**found, "notes": self.notes}, indent=2, default=str))


Part = Callable[[Setup, Report], None]


def run_part(name: str, part: Part, setup: Setup, seconds: float) -> dict[str, Any]:
    """Runs a part in a process of its own; returns what its file says.

    Args:
        name: of its files.
        part: the part.
        setup: where it runs.
        seconds: after which it is ended.
    """
    file = setup.folder / f"{name}.json"
    # A fork has torch already. The parent never touches the GPU, whose context can't be inherited.
    process = multiprocessing.get_context("fork").Process(target=_child, args=(name, part, setup))
    process.start()
    process.join(seconds)
    late = process.is_alive()
    if late:
        os.killpg(process.pid or 0, signal.SIGKILL)
        process.join()
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {"notes": {}}
    if found.get("status", "unfinished") == "unfinished":
        found["status"] = f"ended after {seconds:.0f} s" if late else f"died: {process.exitcode}"
        file.write_text(json.dumps(found, indent=2))
    return found


def _child(name: str, part: Part, setup: Setup) -> None:
    os.setsid()
    log = os.open(setup.folder / f"{name}.log", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    report = Report(setup.folder / f"{name}.json")
    report.write("unfinished")
    try:
        part(setup, report)
        report.write("failed" if report.failures else "passed")
    except Exception:
        traceback.print_exc()
        report.failures.append(traceback.format_exc(limit=-1).splitlines()[-1])
        report.write("failed")


def main(arguments: list[str] | None = None) -> int:
    """Runs all parts, or those that are named; returns the exit status."""
    from scripts.gpu_parts import PARTS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--parts", default=",".join(PARTS))
    options = parser.parse_args(arguments)
    names = options.parts.split(",")
    if strange := [name for name in names if name not in PARTS]:
        parser.error(f"there is no part {strange[0]!r}: choose of {', '.join(PARTS)}")
    options.folder.mkdir(parents=True, exist_ok=True)
    setup = Setup(options.device, options.device == "cpu", options.folder.resolve())
    deadline, summary = time.monotonic() + 60 * options.minutes, {}
    for left, name in zip(range(len(names), 0, -1), names, strict=True):
        # What a quick part leaves over, those behind it share.
        share = max(1.0, 2 * (deadline - time.monotonic()) / (left + 1))
        found = run_part(name, PARTS[name], setup, share)
        summary[name] = {"status": found["status"], "failures": found.get("failures", [])}
        print(f"{name}: {found['status']}", *found.get("failures", []), sep="\n    ", flush=True)
    (setup.folder / "summary.json").write_text(json.dumps(summary, indent=2))
    return int(any(part["status"] != "passed" for part in summary.values()))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    sys.exit(main())
