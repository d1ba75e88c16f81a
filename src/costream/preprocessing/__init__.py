"""Pictures become the patches that a vision encoder takes: no torch, no weights."""

from costream.preprocessing.base import FrameGeometry, Mask, Patches, Preprocessing
from costream.preprocessing.pooled import PooledPreprocessing
from costream.preprocessing.qwen import QwenPreprocessing
from costream.preprocessing.tile import TilePreprocessing

__all__ = [
    "FrameGeometry",
    "Mask",
    "Patches",
    "PooledPreprocessing",
    "Preprocessing",
    "QwenPreprocessing",
    "TilePreprocessing",
]
