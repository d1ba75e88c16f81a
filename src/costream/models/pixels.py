"""The published video preprocessing, without torchvision.

Resizing is the tensor operation that torchvision itself calls for 8-bit images (antialiased
bicubic, rounded to 8 bits), so the result is the published one to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from costream.errors import SettingsError
from costream.pruning import PatchGrid
from costream.video import Picture


class Normalisation(Protocol):
    """Mean and deviation of each channel, on the scale 0..1: ``image_mean`` and ``image_std``."""

    @property
    def mean(self) -> tuple[float, ...]: ...

    @property
    def std(self) -> tuple[float, ...]: ...


@dataclass(frozen=True, slots=True)
class PixelSettings:
    """What ``video_preprocessor_config.json`` of a Qwen3-VL says of colours.

    Its pixel budgets are not read: those who use the family's video tools, which :func:`fit`
    follows, are told to switch the processor's own resizing off.

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


MIN_FRAME_TOKENS = 128
MAX_FRAME_TOKENS = 768
VIDEO_TOKENS = 128_000 * 0.9
"""Of a frame at least and at most, and of a video: ``qwen_vl_utils`` 0.0.14 with its defaults."""

_FRAMES_OF_A_TOKEN = 2


def fit(width: int, height: int, frames: int, factor: int) -> tuple[int, int]:
    """Returns the (width, height) that the Qwen-VL families' video tools resize frames to.

    Both are multiples of ``factor`` pixels. Every frame gets :data:`MIN_FRAME_TOKENS` to
    :data:`MAX_FRAME_TOKENS` merge groups, and no more than its share of :data:`VIDEO_TOKENS`.

    Args:
        width: width of the source in pixels.
        height: height of the source in pixels.
        frames: frames of the video, at least one.
        factor: side of a merge group in pixels.

    Raises:
        SettingsError: the source is too narrow for any size.
    """
    group = factor**2
    share = VIDEO_TOKENS * group / frames * _FRAMES_OF_A_TOKEN
    smallest = MIN_FRAME_TOKENS * group
    largest = max(min(MAX_FRAME_TOKENS * group, share), int(smallest * 1.05))
    return fit_frame(width, height, factor, smallest, largest)


def fit_frame(
    width: int, height: int, factor: int, smallest: int, largest: float
) -> tuple[int, int]:
    """Returns the (width, height) of a number of pixels in bounds: the published ``smart_resize``.

    Args:
        width: width of the source in pixels.
        height: height of the source in pixels.
        factor: both sides become multiples of it.
        smallest: fewest pixels of a frame.
        largest: most pixels of a frame.

    Raises:
        SettingsError: the source is too narrow for any size.
    """
    try:
        rows, cols = smart_resize(
            height, width, factor=factor, min_pixels=smallest, max_pixels=largest
        )
    except ValueError as error:
        raise SettingsError(
            f"a picture of {width}x{height} is too narrow to be resized by the model's rule: "
            "choose a frame size"
        ) from error
    return cols, rows


def nearest_multiple(size: tuple[int, int], factor: int) -> tuple[int, int]:
    """Returns the (width, height) next to a size whose sides are multiples of ``factor``."""
    width, height = (max(factor, round(side / factor) * factor) for side in size)
    return width, height


def resize(frame: Tensor, width: int, height: int) -> Tensor:
    """Resizes uint8 [3, height, width] as torchvision does for 8-bit tensors."""
    if frame.shape[-2:] == (height, width):
        return frame
    return torch.nn.functional.interpolate(
        frame[None], size=(height, width), mode="bicubic", align_corners=False, antialias=True
    )[0]


def patchify(frames: Tensor, patch: int, merge: int, settings: Normalisation) -> Tensor:
    """Normalises and cuts frames: uint8 [T, 3, height, width] to float32 [patches, values].

    Patches of a merge group follow each other; values run over channel, time, row, column.
    """
    mean = torch.tensor(settings.mean) * 255.0
    std = torch.tensor(settings.std) * 255.0
    # Published order of operations: the mean and deviation are scaled, not the pixels.
    values = (frames.to(torch.float32) - mean[None, :, None, None]) / std[None, :, None, None]
    time, channels, height, width = values.shape
    rows, cols = height // (patch * merge), width // (patch * merge)
    cut = values.view(time, channels, rows, merge, patch, cols, merge, patch)
    # [rows, cols, merge row, merge col, channel, time, patch row, patch col]
    cut = cut.permute(2, 5, 3, 6, 1, 0, 4, 7)
    return cut.reshape(rows * cols * merge * merge, channels * time * patch * patch)


def unpatchify(patches: Tensor, patch: int, grid: PatchGrid) -> Tensor:
    """Puts the patches of one frame together again: [patches, values] to [3, height, width]."""
    rows, cols = grid.group_shape
    cut = patches.view(rows, cols, grid.merge, grid.merge, -1, patch, patch)
    # [channel, row, merge row, patch row, col, merge col, patch col]
    return cut.permute(4, 0, 2, 5, 1, 3, 6).reshape(-1, grid.rows * patch, grid.cols * patch)


def frames_to_tensor(pictures: Sequence[Picture], width: int, height: int, count: int) -> Tensor:
    """Returns uint8 [count, 3, height, width]; the last picture is repeated where some lack."""
    resized = [
        resize(torch.from_numpy(p.rgb()).permute(2, 0, 1).contiguous(), width, height)
        for p in pictures
    ]
    resized += [resized[-1]] * (count - len(resized))
    return torch.stack(resized)
