"""Annotated videos: UCF-Crime, XD-Violence and sets in their layouts."""

from costream.lab.evaluate.datasets.base import NORMAL, Dataset, Event, Video
from costream.lab.evaluate.datasets.load import SPLITS, load_dataset
from costream.lab.evaluate.datasets.synthetic import synthetic_long_split, synthetic_test_split

__all__ = [
    "NORMAL",
    "SPLITS",
    "Dataset",
    "Event",
    "Video",
    "load_dataset",
    "synthetic_long_split",
    "synthetic_test_split",
]
