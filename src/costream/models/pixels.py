"""What a model does with patches before its encoder, and what its configuration says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from costream.models.upload import upload
from costream.preprocessing import Preprocessing
from costream.pruning import PatchGrid


@dataclass(frozen=True, slots=True)
class PixelSettings:
    """What ``video_preprocessor_config.json`` of a Qwen3-VL says of colours.

    Its pixel budgets are not read: those who use the family's video tools, whose sizes we follow,
    are told to switch the processor's own resizing off.

    Attributes:
        mean: ``image_mean``, on the scale 0..1.
        std: ``image_std``, on the scale 0..1.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> PixelSettings:
        """Reads the configuration's values."""
        return cls(
            mean=tuple(map(float, values["image_mean"])),
            std=tuple(map(float, values["image_std"])),
        )


@dataclass(frozen=True, slots=True)
class TileSettings:
    """What ``video_preprocessor_config.json`` of a family with tiles of one size says.

    Attributes:
        width: ``size.width``, in pixels.
        height: ``size.height``, in pixels.
        mean: ``image_mean``, on the scale 0..1.
        std: ``image_std``, on the scale 0..1.
    """

    width: int
    height: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> TileSettings:
        """Reads the configuration's values."""
        return cls(
            width=int(values["size"]["width"]),
            height=int(values["size"]["height"]),
            mean=tuple(map(float, values["image_mean"])),
            std=tuple(map(float, values["image_std"])),
        )


def normalise(patches: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Normalises patches where they are: uint8 to float32 [patches, values].

    Args:
        patches: uint8 [patches, values]; values run over channel, time, row, column.
        preprocessing: whose mean and deviation are used.
    """
    mean, std = (
        _scaled(tuple(values), patches.device) for values in (preprocessing.mean, preprocessing.std)
    )
    channels = len(preprocessing.mean)
    values = patches.to(torch.float32, copy=True)
    values = values.view(len(patches), channels, patches.shape[1] // channels)
    # In place: memory that is touched for the first time costs more than the arithmetic.
    return values.sub_(mean).div_(std).flatten(1)


@lru_cache(maxsize=64)
def _scaled(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Returns a mean or deviation on a device, on the scale of bytes: float32 [channels, 1]."""
    # Published order of operations: the mean and deviation are scaled, not the pixels.
    return upload((torch.tensor(values) * 255.0)[:, None], device)


def unpatchify(patches: Tensor, patch: int, grid: PatchGrid) -> Tensor:
    """Puts the patches of one frame together again: [patches, values] to [3, height, width]."""
    rows, cols = grid.group_shape
    cut = patches.view(rows, cols, grid.merge, grid.merge, -1, patch, patch)
    # [channel, row, merge row, patch row, col, merge col, patch col]
    return cut.permute(4, 0, 2, 5, 1, 3, 6).reshape(-1, grid.rows * patch, grid.cols * patch)
