"""Samples made by hand: pictures of flat groups and change maps with chosen blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from costream.pruning import KeepMask, PatchGrid, Pruner
from costream.video.picture import Picture
from costream.video.sample import BLOCK, ChangeMap, MotionSource, Sample

GRID = PatchGrid(8, 8, 2)
SIZE = (64, 128)  # height and width: one group is 16 x 32 pixels, so 1 x 2 blocks


def change(
    size: tuple[int, int] = SIZE,
    *,
    peak: np.ndarray | None = None,
    intra: np.ndarray | None = None,
    residual: np.ndarray | None = None,
    motion: MotionSource = "codec",
    frames: int = 5,
    keyframes: int = 0,
    damaged: bool = False,
) -> ChangeMap:
    blocks = (-(-size[0] // BLOCK), -(-size[1] // BLOCK))
    still = np.zeros(blocks, np.float32)
    peak = still if peak is None else peak.astype(np.float32)
    intra = np.zeros(blocks, np.bool_) if intra is None else intra
    return ChangeMap(
        motion=motion,
        peak=peak,
        drift=np.zeros((*blocks, 2), np.float32),
        path=still,
        activity=(peak >= 0.25).astype(np.float32),
        intra=intra,
        qp=np.full(blocks, np.nan, np.float32),
        residual=np.full(blocks, np.nan, np.float32) if residual is None else residual,
        frames=frames,
        keyframes=keyframes,
        packet_bytes=1000,
        damaged=damaged,
    )


def sample(tick: int, groups: np.ndarray | int = 100, **evidence) -> Sample:
    """A picture whose groups have the given grey values, [4, 4] or one for all."""
    values = np.broadcast_to(np.asarray(groups, np.uint8), GRID.group_shape)
    tall, wide = SIZE[0] // GRID.group_shape[0], SIZE[1] // GRID.group_shape[1]
    grey = np.repeat(np.repeat(values, tall, axis=0), wide, axis=1)
    picture = Picture.from_rgb(np.ascontiguousarray(np.repeat(grey[:, :, None], 3, axis=2)))
    return Sample(tick=tick, time=tick / 2, picture=picture, change=change(**evidence))


def decide_all(pruner: Pruner, samples: Sequence[Sample], frames: int = 1) -> list[KeepMask]:
    """Decides the samples in temporal patches of ``frames``."""
    starts = range(0, len(samples), frames)
    return [pruner.decide(samples[start : start + frames]) for start in starts]


def blocks(*places: tuple[int, int], value: float = 3.0) -> np.ndarray:
    """A block field of ``SIZE`` that is ``value`` at ``places``."""
    field = np.zeros((SIZE[0] // BLOCK, SIZE[1] // BLOCK), np.float32)
    for place in places:
        field[place] = value
    return field
