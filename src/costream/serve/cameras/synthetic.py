"""Cameras over the synthetic world, rendered while they are read: ``synthetic:KIND[:SEED]``."""

from __future__ import annotations

from itertools import cycle, islice

from costream.lab.synth import EncoderSettings, LiveCamera, WorldCamera
from costream.lab.synth.encoder import Pixels
from costream.lab.synth.programme import PROGRAMME
from costream.serve.config.synthetic import ALL, QUIET, parse_synthetic
from costream.video import Decoding, Stream

ROUND = 3600.0
"""Seconds after which everything happens again."""

CHAPTER = 90.0
"""Seconds from one event to the next, on average."""

SIZE = (640, 360)
FPS = 10.0

QUALITY = 28.0
"""Constant quality of the encoder, in the middle of what the embedded models learned from."""

PROBE = {"analyzeduration": "500000"}
"""FFmpeg would look at five seconds of a transport stream before it gives the first picture."""


class EndlessCamera:
    """A world that begins again at its end.

    Args:
        kind: what happens there, now and then.
        seed: picks the place and everything else.
        size: of its pictures.
        fps: frames a second.
    """

    def __init__(
        self, kind: str, seed: int, size: tuple[int, int] = SIZE, fps: float = FPS
    ) -> None:
        chapters = int(ROUND // CHAPTER)
        kinds = PROGRAMME if kind == ALL else (kind,)
        events = None if kind == QUIET else tuple(islice(cycle(kinds), chapters))
        self.width, self.height = size
        self.fps = fps
        self._world = WorldCamera(
            seed,
            event=events,  # type: ignore[arg-type]  # the kind was checked
            seconds=ROUND,
            width=self.width,
            height=self.height,
            fps=fps,
            shake=0.0,
        )

    def frame(self, index: int) -> Pixels:
        """Renders a frame: uint8 [height, width, 3]."""
        return self._world.frame(index % self._world.frames)


class SyntheticStream(Stream):
    """Renders and encodes a synthetic camera while it is read, in a thread of its own.

    Args:
        url: ``synthetic:KIND[:SEED]``.
        motion: see :class:`~costream.video.stream.Stream`.
        decode: likewise.

    Raises:
        SettingsError: there is no such camera.
    """

    def __init__(self, url: str, *, motion: bool, decode: Decoding) -> None:
        settings = EncoderSettings(gop=round(2 * FPS), crf=QUALITY, low_delay=True)
        self._on_air = LiveCamera(EndlessCamera(*parse_synthetic(url)), settings=settings)
        self._on_air.__enter__()
        super().__init__(
            self._on_air.file, name=url, motion=motion, decode=decode, options=PROBE, live=True
        )

    def _let_go(self) -> None:
        super()._let_go()
        self._on_air.__exit__(None, None, None)
