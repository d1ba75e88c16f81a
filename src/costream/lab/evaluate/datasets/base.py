"""What an evaluation knows of its videos: where they are, what they show and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path

NORMAL = "Normal"
"""The category of videos in which nothing happens. It is never asked for."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens in a video.

    Attributes:
        category: what it is.
        first: its first frame, at the video's own rate.
        last: its last frame.
    """

    category: str
    first: int
    last: int

    def seconds(self, rate: float) -> tuple[float, float]:
        """Returns start and end in seconds of a video of ``rate`` frames a second."""
        return self.first / rate, (self.last + 1) / rate


@dataclass(frozen=True, slots=True)
class Video:
    """One annotated video.

    Attributes:
        name: its file's name.
        path: where it is.
        categories: what it shows; empty for a normal video.
        events: when it shows that, or None where nobody has annotated the times.
    """

    name: str
    path: Path
    categories: frozenset[str]
    events: tuple[Event, ...] | None


@dataclass(frozen=True, slots=True)
class Dataset:
    """Annotated videos and the questions that are asked of all of them.

    Attributes:
        name: the kind of set.
        videos: those that can be used.
        questions: category to question.
        problems: what was left out and why, one sentence each.
    """

    name: str
    videos: tuple[Video, ...]
    questions: Mapping[str, str]
    problems: tuple[str, ...]

    def take(self, count: int) -> Dataset:
        """Returns the set with at most ``count`` videos, of each category in turn."""
        piles: dict[tuple[str, ...], list[Video]] = {}
        for video in self.videos:
            piles.setdefault(tuple(sorted(video.categories)), []).append(video)
        rounds = chain.from_iterable(zip_longest(*piles.values()))
        chosen = [video for video in rounds if video is not None][:count]
        return replace(self, videos=tuple(chosen))


def find_files(folder: Path, suffixes: Sequence[str] = (".mp4", ".avi", ".mkv")) -> dict[str, Path]:
    """Returns every video under a folder by its file's name; of equal names, the first in order."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in suffixes:
            found.setdefault(path.name, path)
    return found
