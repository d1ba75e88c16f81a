"""From a folder to a dataset: which layout it has is told by its annotation file."""

from __future__ import annotations

from pathlib import Path

from costream.errors import SettingsError
from costream.lab.evaluate.datasets import ucf_crime, xd_violence
from costream.lab.evaluate.datasets.base import Dataset

SPLITS = ("test", "validation", "train", "long")


def load_dataset(folder: Path, split: str = "test") -> Dataset:
    """Reads an annotated set in the layout of UCF-Crime or XD-Violence.

    Broken lines, missing videos and unknown categories become the set's ``problems``.

    Args:
        folder: with annotations and videos.
        split: one of :data:`SPLITS`; XD-Violence has annotations for its test split only, and only
            the synthetic set has long videos.

    Raises:
        SettingsError: it has no annotation file, no such split, or no video that can be used.
    """
    if split not in SPLITS:
        raise SettingsError(f"unknown split {split!r}: choose one of {', '.join(SPLITS)}")
    dataset = _read(folder, split)
    if not dataset.videos:
        first = f", such as: {dataset.problems[0]}" if dataset.problems else ""
        raise SettingsError(
            f"{folder} holds no video that can be used; {len(dataset.problems)} problems{first}"
        )
    return dataset


def _read(folder: Path, split: str) -> Dataset:
    if ucf_crime.has_layout(folder):
        return ucf_crime.load_ucf_crime(folder, split)
    if (folder / xd_violence.ANNOTATION).is_file():
        return xd_violence.load_xd_violence(folder)
    raise SettingsError(
        f"{folder} is no annotated set: it has neither {ucf_crime.ANNOTATION} nor "
        f"{xd_violence.ANNOTATION}"
    )
