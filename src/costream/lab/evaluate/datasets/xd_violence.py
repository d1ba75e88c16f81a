"""XD-Violence: what a video shows is coded in its name, when stands in ``annotations.txt``.

``..._label_B1-B2-0`` shows fighting and shooting, ``_label_A`` nothing. A line holds a name, with
or without its suffix, and pairs of frames. Normal videos are not annotated: those found beside the
others are used. Of a video with several labels nobody says which event is which, so each of its
events counts for each of its categories.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from costream.lab.evaluate.datasets.base import Dataset, Event, Video, find_files
from costream.lab.evaluate.datasets.categories import XD_VIOLENCE

ANNOTATION = "annotations.txt"
_LABEL = re.compile(r"_label_([A-Z0-9-]+)$")
_NORMAL, _NOTHING = "A", "0"


def load_xd_violence(folder: Path) -> Dataset:
    """Reads the annotated videos and the normal ones beside them.

    Args:
        folder: with ``annotations.txt`` and, at any depth, the videos.
    """
    problems: list[str] = []
    files = {_stem(name): path for name, path in find_files(folder).items()}
    videos = []
    for name, pairs in _read_lines(folder / ANNOTATION, problems):
        categories = _categories(name)
        if unknown := sorted(categories - XD_VIOLENCE.keys()):
            problems.append(f"unknown category {unknown[0]}: {name} is left out")
        elif not categories:
            problems.append(f"no category in its name: {name} is left out")
        elif name not in files:
            problems.append(f"missing video: {name}")
        else:
            events = [Event(c, *pair) for c in sorted(categories) for pair in pairs]
            videos.append(Video(name, files[name], categories, tuple(events)))
    normal = [
        Video(name, path, frozenset(), ())
        for name, path in files.items()
        if (label := _LABEL.search(name)) and label[1] == _NORMAL
    ]
    return Dataset("xd-violence", (*videos, *normal), XD_VIOLENCE, tuple(problems))


def _read_lines(path: Path, problems: list[str]) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        name, *fields = line.split() or [""]
        if not name:
            continue
        try:
            yield _stem(name), _parse(fields)
        except ValueError as error:
            problems.append(f"{path.name} line {number} is left out: {error}")


def _parse(fields: Sequence[str]) -> list[tuple[int, int]]:
    if not fields or len(fields) % 2:
        raise ValueError(f"{len(fields)} frame numbers, which are no pairs")
    if wrong := [field for field in fields if not field.isdecimal()]:
        raise ValueError(f"{wrong[0]!r} is not a frame number")
    pairs = [(int(a), int(b)) for a, b in zip(fields[::2], fields[1::2], strict=True)]
    if backward := [pair for pair in pairs if pair[0] > pair[1]]:
        raise ValueError(f"an event from frame {backward[0][0]} to {backward[0][1]}")
    return pairs


def _categories(name: str) -> frozenset[str]:
    label = _LABEL.search(name)
    return frozenset(label[1].split("-")) - {_NOTHING, _NORMAL} if label else frozenset()


def _stem(name: str) -> str:
    return name.removesuffix(".mp4")
