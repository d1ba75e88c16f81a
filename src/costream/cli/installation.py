"""What is installed here and what of it is unusual: the facts that a report of a bug is asked for.

Nothing here fails because something is missing or broken: that is what it is there to tell.
"""

from __future__ import annotations

import locale
import os
import platform
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module, resources
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from packaging.requirements import Requirement

import costream
from costream import __version__
from costream.checkpoints import EMBEDDED

SHOWN = ("torch", "transformers", "tokenizers", "huggingface-hub", "av", "numpy", "pydantic")
"""Packages whose versions are told; of all others that are required, only what is unusual."""

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

CHANGING = ("CUDA_VISIBLE_DEVICES", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "PYTHONOPTIMIZE")
"""Variables that change what runs. Their values hold no secrets."""

LITTLE_MEMORY = 2.0
"""GiB under which even a small model may not fit."""

T = TypeVar("T")

Fact = tuple[str, list[str]]
"""A line of the report, and what of it is unusual."""


def report() -> dict[str, str]:
    """Returns the report: ten lines by name, the last of which says what is unusual."""
    lines: dict[str, str] = {}
    unusual: list[str] = []
    for name, tell in _FACTS.items():
        lines[name], odd = tell()
        unusual += odd
    return {**lines, "unusual": "; ".join(unusual) or "nothing"}


def _costream() -> Fact:
    odd = [] if sys.flags.optimize == 0 else ["Python runs without assertions"]
    try:
        installed = distribution("costream").read_text("direct_url.json") or ""
    except PackageNotFoundError:
        installed = ""
        odd.append("costream is not installed, only its source is: use pip install")
    how = ", editable" if '"editable": true' in installed else ""
    return f"{__version__} in {Path(costream.__file__).parent}{how}", odd


def _system() -> Fact:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    odd = [] if sys.platform == "linux" else [f"{platform.system()} is not supported: Linux is"]
    return f"{python}, {platform.system()} {platform.release()} {platform.machine()}", odd


def _packages() -> Fact:
    shown = ", ".join(f"{name} {_version(name) or 'missing'}" for name in SHOWN)
    return shown, list(_outside())


def _outside() -> Iterator[str]:
    """Tells of the packages that are not as this version of ours requires them."""
    for text in (requires("costream") or ()) if _version("costream") else ():
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": "engine"}):
            continue
        found = _version(wanted.name)
        if found is None:
            yield f"{wanted.name} is missing"
        elif not wanted.specifier.contains(found, prereleases=True):
            yield f"{wanted.name} {found} is not within {wanted.specifier}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _ffmpeg() -> Fact:
    av, odd = _imported("av")
    if av is None:
        return "unknown", odd
    libraries = av.library_versions
    told = (
        f"{name} {'.'.join(map(str, libraries[name]))}" for name in ("libavcodec", "libavformat")
    )
    return f"{', '.join(told)}, from PyAV", odd


def _readers() -> Fact:
    native, odd = _imported("costream._bitstream")
    if native is None:
        return "not built", [f"no bitstream readers, install with a C++ compiler: {odd[0]}"]
    missing = [name for name in ("H264Reader", "H265Reader") if not hasattr(native, name)]
    odd += [f"costream._bitstream has no {name}: install again" for name in missing]
    if _imported("costream._pixels")[0] is None:
        odd.append("no native preprocessing, which is slower: install with a C++ compiler")
    return "H.264 and H.265, built", odd


def _devices() -> Fact:
    torch, odd = _imported("torch")
    if torch is None:
        return "unknown", odd
    names, warned = _warned(lambda: list(_gpus(torch)))
    odd += warned
    if not names and Path("/dev/nvidia0").exists():
        odd.append("there is a GPU that this torch can't use: see to its driver and torch's build")
    return ", ".join(names) or "CPU alone, no GPU that torch can use", odd


def _gpus(torch: Any) -> Iterator[str]:
    if not torch.cuda.is_available():
        return
    for index in range(torch.cuda.device_count()):
        gpu = torch.cuda.get_device_properties(index)
        yield f"cuda:{index} {gpu.name} {gpu.total_memory / 2**30:.0f} GiB"
    yield f"CUDA {torch.version.cuda}"


def _threads() -> Fact:
    torch, _ = _imported("torch")
    cores = len(os.sched_getaffinity(0))
    threads = None if torch is None else torch.get_num_threads()
    given = [f"{name}={os.environ[name]}" for name in THREAD_VARIABLES if name in os.environ]
    odd = []
    if threads is not None and threads > cores:
        odd.append(f"torch takes {threads} threads on {cores} cores: they wait for each other")
    told = f"torch takes {threads or 'unknown'} on {cores} cores of {os.cpu_count()}"
    return ", ".join([told, *given]), odd


def _memory() -> Fact:
    told = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    free, total = (int(told[name].split()[0]) / 2**20 for name in ("MemAvailable", "MemTotal"))
    odd = [] if free >= LITTLE_MEMORY else [f"little memory: {free:.1f} GiB free"]
    return f"{free:.1f} GiB free of {total:.1f}", odd


def _surroundings() -> Fact:
    encoding = locale.getpreferredencoding(False)
    given = [f"{name}={os.environ[name]}" for name in CHANGING if name in os.environ]
    odd = [f"{setting} is set" for setting in given]
    if encoding.lower().replace("-", "") != "utf8":
        odd.append(f"the locale's encoding is {encoding}: set LC_ALL=C.UTF-8")
    weights = resources.files("costream") / "weights"
    missing = [
        name for name in EMBEDDED if not (weights / EMBEDDED[name] / "config.json").is_file()
    ]
    odd += [f"the weights of {name} are missing: install again" for name in missing]
    return ", ".join([encoding, f"{len(EMBEDDED) - len(missing)} embedded models", *given]), odd


def _imported(name: str) -> tuple[ModuleType | Any, list[str]]:
    """Imports a module that may be broken: None then, and why."""
    try:
        return _warned(lambda: import_module(name))
    except Exception as error:
        # Whatever a broken package raises is what is to be told.
        why = " ".join(str(error).split()) or type(error).__name__
        return None, [f"{name} can't be imported: {why}"]


def _warned(call: Callable[[], T]) -> tuple[T, list[str]]:
    """Returns what a call returns, and what it warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = call()
    return result, [" ".join(str(warning.message).split()) for warning in caught]


_FACTS: dict[str, Callable[[], Fact]] = {
    "costream": _costream,
    "system": _system,
    "packages": _packages,
    "FFmpeg": _ffmpeg,
    "readers": _readers,
    "devices": _devices,
    "threads": _threads,
    "memory": _memory,
    "locale": _surroundings,
}
