"""The generated streams on which decoding is measured: the signal's, and what else encoders do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from costream.lab.evaluate.cache import cached_folder
from costream.lab.evaluate.looped import write_looped
from costream.lab.evaluate.signal_case import STARVED_CRF, SignalCase, signal_cases
from costream.lab.synth import SyntheticCamera, encode

Activity = Literal["quiet", "visits", "busy"]
"""``quiet``: nobody comes. ``visits``: somebody every 30 s, and quiet in between. ``busy``:
somebody every 8 s, as in the streams of ``costream bench signal``."""

EVERY: dict[Activity, float] = {"quiet": 1e6, "visits": 30.0, "busy": 8.0}
"""Mean seconds from one visitor to the next."""

USUAL_DRIFT, WAVING_DRIFT = 0.03, 0.08
"""How far the light waves, by seconds: in the signal's streams, and in those of waving light."""

_STREAMS_VERSION = 1
"""Raised with every change to what the synthetic camera shows: old streams are then left alone."""


@dataclass(frozen=True, slots=True)
class DecodeCase:
    """One generated stream.

    Attributes:
        stream: what is rendered, and how it is encoded.
        activity: how much happens.
        seconds: how much is rendered.
        repeats: how often that is played, without being encoded again: from the second time on
            its second half alone, since an encoder takes some seconds to settle.
    """

    stream: SignalCase
    activity: Activity
    seconds: float
    repeats: int = 1

    @property
    def name(self) -> str:
        """What it is called where a part of the streams is asked for."""
        return f"{self.stream.codec}, {self.activity}, {self.stream.setting}"

    @property
    def frames(self) -> int:
        """Frames that are rendered."""
        return round(self.seconds * self.stream.fps)

    def index(self, time: float) -> int:
        """Returns which of the frames that are rendered is displayed at a time."""
        index = round(time * self.stream.fps)
        if index < self.frames:
            return index
        return self._again + (index - self.frames) % (self.frames - self._again)

    @property
    def _again(self) -> int:
        """The key frame from which the stream is played again."""
        gop = self.stream.encoder.gop
        return self.frames // 2 // gop * gop

    def camera(self, seed: int) -> SyntheticCamera:
        """Returns the camera in front of the encoder."""
        return self.stream.camera(seed)

    def file(self, seed: int) -> Path:
        """Returns the encoded stream, from the user's cache where it is there.

        Raises:
            OSError: the cache can't be written.
        """
        unnamed = replace(self.stream, setting="")
        told = repr((_STREAMS_VERSION, seed, unnamed, self.seconds, self.repeats))
        digest = hashlib.sha256(told.encode()).hexdigest()[:16]
        folder = cached_folder(f"decode-{digest}", lambda target: self._write(target, seed))
        return folder / "stream.mp4"

    def _write(self, folder: Path, seed: int) -> None:
        camera, fps = self.camera(seed), self.stream.fps
        pictures = map(camera.frame, range(self.frames))
        once = encode(pictures, folder / "once.mp4", fps=fps, settings=self.stream.encoder)
        if self.repeats > 1:
            write_looped(once, folder / "stream.mp4", self.repeats, self._again)
            once.unlink()
        else:
            once.rename(folder / "stream.mp4")


def decode_cases(only: Sequence[str] = ()) -> list[DecodeCase]:
    """Returns all streams, each once.

    They are, in this order:

    * those of ``costream bench signal``, busy as they are, then with visits, then with visits in
      light that waves further;
    * what encoders do besides, busy and with visits;
    * quality by GOP by light, with visits;
    * quiet ones;
    * sizes from 360p to 2160p at 25 frames a second in steady light, from quiet to busy.

    Args:
        only: patterns as of file names; a stream is returned if any of them matches its
            :attr:`~DecodeCase.name`. Without, all are.
    """
    unique = {case.name: case for case in _cases()}
    return [
        case
        for case in unique.values()
        if not only or any(fnmatchcase(case.name, pattern) for pattern in only)
    ]


def _cases() -> Iterator[DecodeCase]:
    yield from (_case(case, "busy") for case in signal_cases())
    yield from (_case(case, "visits") for case in signal_cases())
    for case in signal_cases():
        if case.drift == USUAL_DRIFT:
            yield _case(_lit(case, WAVING_DRIFT), "visits")
    usual = [case for case in signal_cases() if case.setting == "usual"]
    for first in usual:
        for case in _structures(first):
            yield _case(case, "busy")
            yield _case(case, "visits")
    for first in usual:
        for case in _qualities(first):
            yield from (_case(lit, "visits") for lit in _lights(case))
    for first in usual:
        for case in _quiet(first):
            yield from (_case(lit, "quiet", seconds=120.0) for lit in _lights(case)[:2])
    for first in usual:
        yield from _sizes(first)


def _case(stream: SignalCase, activity: Activity, seconds: float | None = None) -> DecodeCase:
    stream = replace(stream, every=EVERY[activity])
    return DecodeCase(stream, activity, seconds or min(40.0, stream.longest))


def _lit(case: SignalCase, drift: float) -> SignalCase:
    if drift == case.drift:
        return case
    light = f"light waves {100 * drift:g}%" if drift else "light steady"
    setting = light if case.setting == "usual" else f"{case.setting}, {light}"
    return replace(case, setting=setting, drift=drift)


def _lights(case: SignalCase) -> list[SignalCase]:
    return [_lit(case, drift) for drift in (0.0, USUAL_DRIFT, WAVING_DRIFT)]


def _structures(first: SignalCase) -> Iterator[SignalCase]:
    """What encoders do that the signal's streams don't show.

    Neither x264 nor x265 makes long-term references.
    """
    usual = first.encoder
    slow = replace(usual, preset="medium")
    low = replace(usual, low_delay=True)
    settings = {
        "7 B-frames, hierarchical": replace(slow, bframes=7, params="b-adapt=0"),
        "3 B-frames, open GOP": replace(slow, bframes=3, params="open-gop=1"),
        "4 references": replace(slow, params="ref=4"),
        "intra refresh": replace(usual, params="intra-refresh=1"),
        "intra refresh, GOP 250": replace(usual, gop=250, params="intra-refresh=1"),
        "4 slices": replace(usual, params="slices=4"),
        "zero latency": low,
        "zero latency, GOP 250": replace(low, gop=250),
        "zero latency, 800 kbit/s": replace(
            low, bit_rate=800_000, params="vbv-maxrate=800:vbv-bufsize=400"
        ),
        "GOP 600": replace(usual, gop=600),
    }
    if usual.codec == "libx265":
        settings["temporal layers"] = replace(slow, bframes=3, params="temporal-layers=3")
        settings["4 references, weighted"] = replace(slow, params="ref=4:weightb=1:weightp=1")
    else:
        settings["8 references, weighted"] = replace(slow, params="ref=8:weightp=2")
    for setting, encoder in settings.items():
        yield replace(first, setting=setting, encoder=encoder)


def _qualities(first: SignalCase) -> Iterator[SignalCase]:
    for crf in sorted({first.encoder.crf, 28.0, STARVED_CRF}):
        for gop in (12, 50, 250, 600):
            named = [f"crf {crf:g}"] * (crf != first.encoder.crf) + [f"GOP {gop}"] * (gop != 50)
            encoder = replace(first.encoder, crf=crf, gop=gop)
            yield replace(first, setting=", ".join(named) or "usual", encoder=encoder)


def _quiet(first: SignalCase) -> Iterator[SignalCase]:
    usual = first.encoder
    settings = {
        "usual": usual,
        "GOP 12": replace(usual, gop=12),
        "GOP 250": replace(usual, gop=250),
        "crf 33": replace(usual, crf=STARVED_CRF),
        "3 B-frames, medium": replace(usual, bframes=3, preset="medium"),
        "zero latency": replace(usual, low_delay=True),
        "intra refresh": replace(usual, params="intra-refresh=1"),
    }
    for setting, encoder in settings.items():
        yield replace(first, setting=setting, encoder=encoder)
    yield replace(first, setting="noise 4", noise=4.0)


SIZES = {"360p": (640, 360), "720p": (1280, 720), "1080p": (1920, 1080), "2160p": (3840, 2160)}
"""Settings of the streams that a core's load is measured on, and their widths and heights."""


def _sizes(first: SignalCase) -> Iterator[DecodeCase]:
    for setting, (width, height) in SIZES.items():
        stream = replace(first, setting=setting, width=width, height=height, fps=25.0, drift=0.0)
        # 10 minutes of nothing, but of the largest, which take too long to decode in full.
        large = height > 1080
        quiet = replace(stream, every=EVERY["quiet"])
        yield DecodeCase(quiet, "quiet", *((16.0, 9) if large else (40.0, 30)))
        yield _case(stream, "visits", 32.0 if large else 60.0)
        yield _case(stream, "busy", 16.0 if large else 32.0)
