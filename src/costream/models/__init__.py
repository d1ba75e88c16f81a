"""One adapter for each family of vision-language models."""

from importlib import import_module
from pkgutil import iter_modules

from costream.checkpoints import EMBEDDED_MODEL, recommended_settings
from costream.models.base import MODELS, ModelAdapter
from costream.models.encoder import EncodeJob, Encoder, VisualTokens
from costream.models.encoder_memory import EncoderMemory
from costream.models.language import Attention, KVShape, LanguageModel
from costream.models.layout import Layout, Segment, Timestamp
from costream.models.load import load_model
from costream.models.rotation import Rotation
from costream.models.untrained import SIZES, ModelSize, write_untrained
from costream.models.upload import upload
from costream.preprocessing import FrameGeometry, Preprocessing
from costream.turn import Turn

# Each module of this folder that holds a family registers it and its untrained sizes.
for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = [
    "EMBEDDED_MODEL",
    "MODELS",
    "SIZES",
    "Attention",
    "EncodeJob",
    "Encoder",
    "EncoderMemory",
    "FrameGeometry",
    "KVShape",
    "LanguageModel",
    "Layout",
    "ModelAdapter",
    "ModelSize",
    "Preprocessing",
    "Rotation",
    "Segment",
    "Timestamp",
    "Turn",
    "VisualTokens",
    "load_model",
    "recommended_settings",
    "upload",
    "write_untrained",
]
