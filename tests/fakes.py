"""Streams without a codec, for tests that are not about reading video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from costream.engine.kv_pool import KVPool
from costream.video import BLOCK, ChangeMap, Picture, Sample, StreamHealth, StreamInfo


def still(picture: Picture, *, damaged: bool = False) -> ChangeMap:
    """Returns evidence of a picture in which nothing moved."""
    shape = -(-picture.height // BLOCK), -(-picture.width // BLOCK)
    field = np.zeros(shape, dtype=np.float32)
    return ChangeMap(
        motion="codec",
        peak=field,
        drift=np.zeros((*shape, 2), dtype=np.float32),
        path=field,
        activity=field,
        intra=np.zeros(shape, dtype=np.bool_),
        qp=np.full(shape, np.nan, dtype=np.float32),
        residual=np.full(shape, np.nan, dtype=np.float32),
        frames=1,
        keyframes=0,
        packet_bytes=100,
        damaged=damaged,
    )


def noise_pictures(count: int, *, width: int = 128, height: int = 96) -> list[Picture]:
    """Returns pictures of which no two have a pixel in common but by chance."""
    rng = np.random.default_rng(7)
    return [
        Picture.from_rgb(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        for _ in range(count)
    ]


def samples_of(
    pictures: Sequence[Picture], ticks: Sequence[int] | None = None, fps: float = 2.0
) -> list[Sample]:
    """Returns the pictures as samples at the given ticks, or at consecutive ones."""
    ticks = range(len(pictures)) if ticks is None else ticks
    return [
        Sample(tick, tick / fps, picture, still(picture))
        for tick, picture in zip(ticks, pictures, strict=True)
    ]


class FakeStream:
    """Stands in for a ``Stream``: gives the samples it was made with."""

    decode_seconds = 0.0
    health = StreamHealth()

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples
        picture = samples[0].picture
        self.info = StreamInfo(
            source="fake",
            codec="none",
            profile=None,
            width=picture.width,
            height=picture.height,
            rotation=0,
            frame_rate=None,
            duration=None,
            motion="codec",
        )

    def samples(self, fps: float, *, on_frame: object = None) -> Iterator[Sample]:
        yield from self._samples


class MaskedAttention:
    """Attention of one sequence under a mask; notes which layers asked."""

    def __init__(self, mask: torch.Tensor) -> None:
        self.mask = mask
        self.layers: list[int] = []
        self._read: torch.Tensor | None = None

    def reading(self, read: torch.Tensor) -> MaskedAttention:
        """Has the tokens that are read, int64 [read], be those that ask in the last layer."""
        self._read = read
        return self

    def attend(
        self,
        layer: int,
        queries: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        self.layers.append(layer)
        mask = self.mask
        if self._read is not None and queries.shape[1] == len(self._read) != len(mask):
            mask = mask[self._read]
        return torch.nn.functional.scaled_dot_product_attention(
            queries[None], keys[None], values[None], mask, scale=scale, enable_gqa=True
        )[0].transpose(0, 1)


def units(pool: KVPool, rows: np.ndarray) -> torch.Tensor:
    """Returns where a pool on the CPU has the features of rows."""
    return torch.from_numpy(pool.units(rows))
