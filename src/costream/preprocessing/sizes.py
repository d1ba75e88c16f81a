"""The sizes that published preprocessing resizes frames to."""

from __future__ import annotations

from math import ceil, floor, sqrt

from costream.errors import SettingsError, SourceError

MAX_SHAPE = 200
"""Times that a picture may be longer one way than the other: the published preprocessing of
Qwen-VL refuses more, and that of others squeezes it into a square."""

MIN_FRAME_TOKENS = 128
MAX_FRAME_TOKENS = 768
VIDEO_TOKENS = 128_000 * 0.9
"""Of a frame at least and at most, and of a video: ``qwen_vl_utils`` 0.0.14 with its defaults."""

_FRAMES_OF_A_TOKEN = 2


def check_shape(width: int, height: int) -> None:
    """Refuses pictures so long that nothing of them is left at a model's size.

    Raises:
        SourceError: one side is over :data:`MAX_SHAPE` times the other.
    """
    if max(width, height) > MAX_SHAPE * min(width, height):
        raise SourceError(
            f"no model takes pictures of {width}x{height}: crop them, so that no side is over "
            f"{MAX_SHAPE} times the other"
        )


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
    if max(width, height) / min(width, height) > MAX_SHAPE:
        raise SettingsError(
            f"a picture of {width}x{height} is too narrow to be resized by the model's rule: "
            "choose a frame size"
        )
    cols, rows = (round(side / factor) * factor for side in (width, height))
    if cols * rows > largest:
        shrink = sqrt(width * height / largest)
        cols, rows = (max(factor, floor(side / shrink / factor) * factor)
                      for side in (width, height))  # fmt: skip
    elif cols * rows < smallest:
        grow = sqrt(smallest / (width * height))
        cols, rows = (ceil(side * grow / factor) * factor for side in (width, height))
    return cols, rows


def nearest_multiple(size: tuple[int, int], factor: int) -> tuple[int, int]:
    """Returns the (width, height) next to a size whose sides are multiples of ``factor``."""
    width, height = (max(factor, round(side / factor) * factor) for side in size)
    return width, height
