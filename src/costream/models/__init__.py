"""One adapter for each family of vision-language models."""

from costream.models.base import (
    MODELS,
    FrameGeometry,
    KVCache,
    KVShape,
    ModelAdapter,
    Segment,
    VisualTokens,
)
from costream.models.load import EMBEDDED_MODEL, load_model, recommended_settings
from costream.models.qwen3_vl import Qwen3VLAdapter
from costream.models.untrained import SIZES, write_untrained

__all__ = [
    "EMBEDDED_MODEL",
    "MODELS",
    "SIZES",
    "FrameGeometry",
    "KVCache",
    "KVShape",
    "ModelAdapter",
    "Qwen3VLAdapter",
    "Segment",
    "VisualTokens",
    "load_model",
    "recommended_settings",
    "write_untrained",
]
