"""The generated streams on which the change signal is measured: one setting varied at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from costream.lab.synth import EncoderSettings, LightChange, SyntheticCamera

X264_CRF, X265_CRF = 23.0, 28.0
"""Each encoder's own default quality."""

STARVED_CRF = 33.0
"""A quality at which what the encoder leaves out can be seen."""

SWITCH = (LightChange(start=18.2, seconds=0.0, gain=0.75),)
RAMPS = (LightChange(start=12.2, seconds=2.0, gain=0.8), LightChange(28.0, 3.0, 1.25))


@dataclass(frozen=True, slots=True)
class SignalCase:
    """One stream of the synthetic camera.

    Attributes:
        setting: what is special about it, in words.
        encoder: how it is encoded.
        noise: standard deviation of the sensor's noise, in luma steps of 255.
        drift: largest relative change of the light by its slow waves.
        lights: changes of the light.
        width: pixels.
        height: pixels.
        fps: native frames a second.
        every: mean seconds from one visitor to the next.
    """

    setting: str
    encoder: EncoderSettings
    noise: float = 1.6
    drift: float = 0.03
    lights: tuple[LightChange, ...] = ()
    width: int = 640
    height: int = 360
    fps: float = 12.5
    every: float = 8.0

    @property
    def codec(self) -> str:
        """The encoder's short name."""
        return self.encoder.codec.removeprefix("lib")

    @property
    def longest(self) -> float:
        """Seconds at which the stream is cut off: large pictures are held in memory."""
        return 40.0 if self.width * self.height < 1280 * 720 else 16.0

    def camera(self, seed: int) -> SyntheticCamera:
        """Returns the camera in front of the encoder."""
        return SyntheticCamera(
            seed,
            width=self.width,
            height=self.height,
            fps=self.fps,
            every=self.every,
            noise=self.noise,
            drift=self.drift,
            lights=self.lights,
        )


def signal_cases() -> list[SignalCase]:
    """Returns the grid: presets, quality, bit rate, GOP, B-frames, noise, light and size.

    Every case differs from the first one of its codec (veryfast, its default quality, an I-frame
    every 50, no B-frames, noise 1.6, the light waving by 3%) in what its setting names.
    """
    x264 = EncoderSettings(codec="libx264", crf=X264_CRF)
    return [*_cases(x264), *_cases(EncoderSettings(codec="libx265", crf=X265_CRF))]


def quick_cases() -> list[SignalCase]:
    """Returns the first case of each codec only."""
    return [case for case in signal_cases() if case.setting == "usual"]


def _cases(usual: EncoderSettings) -> Iterator[SignalCase]:
    first = SignalCase("usual", usual)
    yield first
    for setting, encoder in _encoders(usual):
        yield SignalCase(setting, encoder)
    for noise in (0.0, 4.0, 8.0):
        yield replace(first, setting=f"noise {noise:g}", noise=noise)
    starved = replace(usual, crf=STARVED_CRF)
    yield replace(first, setting="noise 4, crf 33", noise=4.0, encoder=starved)
    yield replace(first, setting="light steady", drift=0.0)
    yield replace(first, setting="light waves 8%", drift=0.08)
    yield replace(first, setting="light switched", lights=SWITCH)
    yield replace(first, setting="light ramps", lights=RAMPS)
    yield replace(first, setting="light ramps, crf 33", lights=RAMPS, encoder=starved)
    yield replace(first, setting="1280x720", width=1280, height=720)
    yield replace(first, setting="1920x1080", width=1920, height=1080)


def _encoders(usual: EncoderSettings) -> Iterator[tuple[str, EncoderSettings]]:
    for preset in ("ultrafast", "medium"):
        yield f"preset {preset}", replace(usual, preset=preset)
    yield f"crf {STARVED_CRF:g}", replace(usual, crf=STARVED_CRF)
    for rate in (100_000, 400_000):
        yield f"{rate // 1000} kbit/s", replace(usual, bit_rate=rate)
    for gop in (12, 250):
        yield f"GOP {gop}", replace(usual, gop=gop)
    recorder = replace(usual, bframes=3, preset="medium")
    yield "3 B-frames, medium", recorder
    yield "3 B-frames, medium, crf 33, GOP 250", replace(recorder, crf=STARVED_CRF, gop=250)
