"""CoStream: streaming video analytics with vision-language models, guided by the video codec.

::

    from costream import Engine, Stream

    engine = Engine.from_pretrained("Qwen/Qwen3-VL-2B-Instruct", window=40, stride=8)
    with Stream("rtsp://camera/1") as stream:
        for result in engine.watch(stream, ask=["Is someone fighting?"]):
            print(result.start, result.answers)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from costream.errors import (
    CoStreamError,
    IntegrityError,
    ModelError,
    SettingsError,
    SourceError,
    SourceLostError,
    SourceRefusedError,
)

if TYPE_CHECKING:
    from costream.engine.asks import Ask
    from costream.engine.engine import Engine
    from costream.engine.handle import WatchHandle
    from costream.engine.result import Answer, FlopCount, Result, StageSeconds, TokenCount
    from costream.engine.session import Session
    from costream.engine.view import StreamView
    from costream.models.load import load_model
    from costream.settings import EngineSettings
    from costream.video import Gap, LiveStream, Stream, StreamInfo, open_source

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Ask",
    "CoStreamError",
    "Engine",
    "EngineSettings",
    "FlopCount",
    "Gap",
    "IntegrityError",
    "LiveStream",
    "ModelError",
    "Result",
    "Session",
    "SettingsError",
    "SourceError",
    "SourceLostError",
    "SourceRefusedError",
    "StageSeconds",
    "Stream",
    "StreamInfo",
    "StreamView",
    "TokenCount",
    "WatchHandle",
    "__version__",
    "load_model",
    "open_source",
]

# Torch and transformers take seconds to import: names are looked up when they are first used, so
# that the command line can print its help without them.
_HOMES = {
    "Answer": "costream.engine.result",
    "Ask": "costream.engine.asks",
    "Engine": "costream.engine.engine",
    "EngineSettings": "costream.settings",
    "FlopCount": "costream.engine.result",
    "Gap": "costream.video",
    "LiveStream": "costream.video",
    "Session": "costream.engine.session",
    "StageSeconds": "costream.engine.result",
    "Stream": "costream.video",
    "StreamInfo": "costream.video",
    "StreamView": "costream.engine.view",
    "TokenCount": "costream.engine.result",
    "Result": "costream.engine.result",
    "WatchHandle": "costream.engine.handle",
    "load_model": "costream.models.load",
    "open_source": "costream.video",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
