"""What RTSP cameras under test play: real clips, or the synthetic world, over and over."""

from __future__ import annotations

from pathlib import Path

import av

from costream.lab.synth import EncoderSettings, WorldCamera, encode
from costream.lab.synth.encoder import Codec

CLIPS = Path(__file__).parents[3] / "shared" / "clips"

FPS = 10.0
ROUND = 20.0
"""Seconds of the synthetic world."""


def clip_film(folder: Path, name: str, seconds: float = 120.0) -> Path:
    """Returns a film of a shared clip in H.264, as its camera sent it.

    Where the shared clips are not beside the checkout, it shows the synthetic world instead: what
    cameras do under test must not hang on them.
    """
    clip = CLIPS / name
    if not clip.exists():
        return world_film(folder, seconds, size=(448, 256))
    return repeated(clip, folder / f"{clip.stem}.mp4", seconds)


def world_film(
    folder: Path,
    seconds: float = 120.0,
    *,
    size: tuple[int, int] = (320, 192),
    codec: Codec = "libx264",
) -> Path:
    """Returns a film of a synthetic world, whose key frames are a second apart."""
    width, height = size
    name = f"{codec}-{width}x{height}.mp4"
    if not (folder / name).exists():
        world = WorldCamera(3, width=width, height=height, fps=FPS, seconds=ROUND, shake=0.0)
        frames = (world.frame(index) for index in range(world.frames))
        encode(
            frames, folder / f"once-{name}", fps=FPS, settings=EncoderSettings(codec, round(FPS))
        )
        repeated(folder / f"once-{name}", folder / name, seconds)
    return folder / name


def repeated(clip: Path, path: Path, seconds: float) -> Path:
    """Writes a file's packets, as they are, again and again until a film is long enough."""
    with av.open(str(clip)) as source, av.open(str(path), "w") as target:
        (video,) = source.streams.video
        stream = target.add_stream_from_template(video)
        packets = [packet for packet in source.demux(video) if packet.dts is not None]
        first, last = packets[0], packets[-1]
        length = last.dts - first.dts + (last.duration or last.dts - packets[-2].dts)
        base = video.time_base
        kept = [(bytes(p), p.pts, p.dts, p.is_keyframe, p.duration) for p in packets]
        for turn in range(int(seconds / (length * base)) + 1):
            for data, pts, dts, key, duration in kept:
                packet = av.Packet(data)
                packet.pts, packet.dts = pts + turn * length, dts + turn * length
                packet.time_base, packet.duration = base, duration
                packet.is_keyframe, packet.stream = key, stream
                target.mux(packet)
    return path


def codec_and_size(film: Path) -> tuple[str, tuple[int, int]]:
    """Returns FFmpeg's name of a film's codec, and its width and height."""
    with av.open(str(film)) as source:
        (video,) = source.streams.video
        return video.codec_context.name, (video.width, video.height)
