"""A short film of what a pruner sees and decides."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import numpy as np
from PIL import Image

from costream.lab.synth import Encoder, EncoderSettings

REPEAT = 5
"""Times that each picture is shown, since players stumble over less than a frame a second."""


class Film:
    """Writes pictures of one size as an H.264 film. Use it as a context manager.

    Args:
        path: the file; it appears with the first picture.
        fps: pictures a second.
    """

    def __init__(self, path: Path, fps: float) -> None:
        self._path = path
        self._fps = fps
        self._encoder: Encoder | None = None

    def add(self, picture: Image.Image) -> None:
        """Shows one more picture.

        Raises:
            OSError: the file can't be written.
        """
        if self._encoder is None:
            rate = self._fps * REPEAT
            self._encoder = Encoder(self._path, picture.size, rate, EncoderSettings(crf=20))
        for _ in range(REPEAT):
            self._encoder.add(np.asarray(picture))

    def __enter__(self) -> Film:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._encoder is not None:
            self._encoder.__exit__(kind, error, trace)
