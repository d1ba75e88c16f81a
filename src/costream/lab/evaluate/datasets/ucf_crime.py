"""Sets in the layout of UCF-Crime.

::

    Temporal_Anomaly_Annotation_for_Testing_Videos.txt   Name_x264.mp4  Category  s1  e1  s2  e2
    Anomaly_Test.txt, Anomaly_Train.txt, ...             Category/Name_x264.mp4
    Category/Name_x264.mp4                               or deeper: files are found by their name

Frames count at the video's rate; -1 stands for no event. A video that shows events of several
categories, or more than two of one, has several lines. The synthetic set's long videos are listed
and annotated in files of their own (``..._for_Long_Videos.txt``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from costream.errors import SettingsError
from costream.lab.evaluate.datasets.base import NORMAL, Dataset, Event, Video, find_files
from costream.lab.evaluate.datasets.categories import questions_for

ANNOTATION = "Temporal_Anomaly_Annotation_for_Testing_Videos.txt"
LONG_ANNOTATION = "Temporal_Anomaly_Annotation_for_Long_Videos.txt"


def has_layout(folder: Path) -> bool:
    """Whether a folder holds a file of this layout. A split without annotated times has none."""
    return (folder / ANNOTATION).is_file() or any(folder.glob("Anomaly_*.txt"))


@dataclass(frozen=True, slots=True)
class Row:
    """What the temporal annotation says of a video."""

    name: str
    categories: frozenset[str]
    events: tuple[Event, ...]


def load_ucf_crime(folder: Path, split: str) -> Dataset:
    """Reads a split of a set in this layout.

    Args:
        folder: with the annotation files and, at any depth, the videos.
        split: ``test``, ``train``, ``validation`` or ``long``.

    Raises:
        SettingsError: the split has no list of videos.
    """
    problems: list[str] = []
    annotation = folder / (LONG_ANNOTATION if split == "long" else ANNOTATION)
    rows: dict[str, Row] = {}
    for row in _read_rows(annotation, problems):
        rows[row.name] = _joined(rows[row.name], row) if row.name in rows else row
    listed = list(_read_list(folder / f"Anomaly_{split.title()}.txt", rows))
    name, questions = questions_for(
        category for entry in listed for category in _categories(entry, rows) or {NORMAL}
    )
    files = find_files(folder)
    videos = []
    for entry in listed:
        video = _video(folder, entry, rows, files)
        if problem := _problem(video, entry, questions):
            problems.append(problem)
        if video.path.is_file() and video.categories <= questions.keys():
            videos.append(video)
    return Dataset(name, tuple(videos), questions, tuple(problems))


def _problem(video: Video, entry: str, questions: Mapping[str, str]) -> str | None:
    if unknown := sorted(video.categories - questions.keys()):
        return f"unknown category {unknown[0]}: {entry} is left out"
    if not video.path.is_file():
        return f"missing video: {entry}"
    return None


def _video(folder: Path, entry: str, rows: dict[str, Row], files: dict[str, Path]) -> Video:
    name = Path(entry).name
    exact = folder / entry
    return Video(
        name=name,
        path=exact if exact.is_file() else files.get(name, exact),
        categories=_categories(entry, rows),
        events=rows[name].events if name in rows else None,
    )


def _joined(one: Row, other: Row) -> Row:
    return Row(one.name, one.categories | other.categories, one.events + other.events)


def _categories(entry: str, rows: dict[str, Row]) -> frozenset[str]:
    """Returns what a video shows: by its lines, else by the folder that it is listed in."""
    path = Path(entry)
    if path.name in rows:
        return rows[path.name].categories
    return frozenset() if NORMAL in path.parent.name else frozenset({path.parent.name})


def _read_list(path: Path, rows: dict[str, Row]) -> Iterator[str]:
    """Yields the listed videos; without a list, those that are annotated."""
    if path.is_file():
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        yield from (line.strip() for line in lines if line.strip())
    elif "Test" in path.name:
        for row in rows.values():
            yield f"{min(row.categories, default=NORMAL)}/{row.name}"
    else:
        raise SettingsError(f"the set has no list of that split: {path} is missing")


def _read_rows(path: Path, problems: list[str]) -> Iterator[Row]:
    if not path.is_file():
        return
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield _parse(line.split())
        except ValueError as error:
            problems.append(f"{path.name} line {number} is left out: {error}")


def _parse(fields: list[str]) -> Row:
    if len(fields) != 6:
        raise ValueError(f"{len(fields)} fields instead of 6")
    name, category, *numbers = fields
    bounds = [_frame(number) for number in numbers]
    pairs = [(bounds[0], bounds[1]), (bounds[2], bounds[3])]
    events = tuple(Event(category, *pair) for pair in pairs if pair != (-1, -1))
    for event in events:
        if not 0 <= event.first <= event.last:
            raise ValueError(f"an event from frame {event.first} to {event.last}")
    return Row(name, frozenset({category} - {NORMAL}), events)


def _frame(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a frame number") from None
