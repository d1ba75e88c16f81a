"""Where stills and clips are kept, and how a still is drawn."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from costream.video.thumbnail import Corners, to_jpeg

STILL_WIDTH = 1920
"""Pixels that a still is wide, at most."""

PARTIAL = ".part"
"""What the name of a file ends with that is still being written."""

_QUALITY = 88
_DIMMED = 0.45
"""Brightness of what was pruned."""

_EDGE = (255, 196, 0)

logger = logging.getLogger("costream")

Pixels = npt.NDArray[np.uint8]
Groups = npt.NDArray[np.bool_]


class MediaFolder:
    """The folder of stills and clips: ``YYYY/MM/DD/<event id>.jpg``, ``.mp4`` or ``.mkv``, in UTC.

    Args:
        root: the folder; it is made when something is written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, event: str, at: float, suffix: str) -> Path:
        """Returns where a file of an event belongs, and makes the folder.

        Args:
            event: the event's id.
            at: when it began, seconds since 1970.
            suffix: such as ``.jpg``.

        Raises:
            OSError: the folder can't be made.
        """
        day = datetime.fromtimestamp(at, timezone.utc)
        folder = self.root / f"{day:%Y}" / f"{day:%m}" / f"{day:%d}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{event}{suffix}"

    def keep(self, event: str, at: float, still: bytes) -> Path:
        """Writes a still aside and moves it into its place; returns that.

        Raises:
            OSError: it can't be written; nothing is left of it then.
        """
        path = self.path(event, at, ".jpg")
        partial = partial_of(path)
        try:
            partial.write_bytes(still)
            partial.replace(path)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        return path

    def recover(self) -> Iterator[tuple[str, Path]]:
        """Takes up what a crash left: yields the event's id and the path of each clip.

        What was written of a clip plays. A still that is not whole is removed. What can't be moved
        or removed is left.
        """
        for partial in sorted(self.root.rglob(f"*{PARTIAL}")):
            path = partial.with_suffix("")
            try:
                if path.suffix == ".jpg" or not partial.stat().st_size:
                    partial.unlink(missing_ok=True)
                    continue
                partial.replace(path)
            except OSError as error:
                logger.warning("%s is left as it is: %s", partial, error.strerror)
                continue
            yield path.stem, path


def partial_of(path: Path) -> Path:
    """Returns where a file is written before it is whole."""
    return path.with_name(path.name + PARTIAL)


def draw_still(pixels: Pixels, kept: Groups | None, masks: Sequence[Corners]) -> bytes:
    """Returns a frame as JPEG: what was pruned is dimmed, what was kept outlined, masks are black.

    Args:
        pixels: uint8 [height, width, 3].
        kept: bool [group rows, group cols], which lie evenly over the frame; None, or all of them,
            leave it as it is.
        masks: what is painted over.
    """
    height, width = pixels.shape[:2]
    if width > STILL_WIDTH:
        size = (STILL_WIDTH, max(1, round(height * STILL_WIDTH / width)))
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
    if kept is not None and not kept.all():
        pixels = _marked(pixels, kept)
    return to_jpeg(pixels, masks, _QUALITY)


def _marked(pixels: Pixels, kept: Groups) -> Pixels:
    height, width = pixels.shape[:2]
    rows = np.arange(height) * kept.shape[0] // height
    cols = np.arange(width) * kept.shape[1] // width
    whole = kept[rows][:, cols]
    shade = np.where(whole, 1.0, _DIMMED).astype(np.float32)
    marked = (pixels * shade[..., None]).astype(np.uint8)
    edge = np.zeros_like(whole)
    edge[1:] |= whole[1:] != whole[:-1]
    edge[:, 1:] |= whole[:, 1:] != whole[:, :-1]
    marked[edge] = _EDGE
    return marked
