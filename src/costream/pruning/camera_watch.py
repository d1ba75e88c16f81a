"""Recognises that the camera moves: shaken about its place, or panned to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from costream.pruning.base import PatchGrid
from costream.pruning.blocks import SUB_BLOCKS, in_groups
from costream.pruning.displacement import Displacement, Profiles, steadied
from costream.pruning.light_watch import changed_share
from costream.pruning.lighting import Luma
from costream.video.picture import Picture, Pixels

FINE = 8
"""Samples along each side of a sub-block of the luma in which displacements are measured."""

SUSPECT = 0.1
"""Share of changed groups from which it is asked whether the camera moved."""

CERTAIN = 0.3
"""Certainty of a displacement from which the camera counts as moved."""

STILL = 0.8
"""Samples of displacement, a fortieth of a group, under which the camera stands."""

SHAKE = SUB_BLOCKS * FINE // 2
"""Samples of displacement, half a merge group, up to which a picture is moved back."""

EXPLAINED = 0.5
"""Share of the changed groups that may still be changed once the picture is moved back."""

BLUR = 1.0
"""Luma steps, of 255, that moving back may take off a difference."""

REACH = 64
"""Samples, two groups, that a pan may move the picture from one frame to the next."""

PATIENCE = 6
"""Frames in a row without shake or pan, after which only two in six are measured, one after the
other: a pan is told from the frame before."""

CameraMotion = Literal["shake", "pan"]


@dataclass(frozen=True, slots=True)
class CameraView:
    """What the watch says of one frame.

    Attributes:
        luma: the frame, moved back to where the camera stood if it shakes.
        motion: what the camera does, or None.
    """

    luma: Luma
    motion: CameraMotion | None

    @property
    def blur(self) -> float:
        """Luma steps that may be missing from each difference."""
        return BLUR if self.motion == "shake" else 0.0


class CameraWatch:
    """Follows the aim of one stream's camera, measured from where it last was kept whole.

    * **Shake**: the picture is displaced by at most half a merge group (one patch where groups are
      2 x 2), and moving it back leaves at most half of the changed groups changed. It is compared
      moved back: what the model saw of the place is still what is there.
    * **Pan**: the picture moved as a whole since the frame before, and moving it back to its origin
      does not explain it. The comparison stays plain, since other things are to be seen in every
      place.

    Nothing is measured in a frame of which no more than 10% of the groups changed, and only in two
    frames of six once six passed without shake or pan: a camera that stands costs little, and one
    that begins to shake may be compared plainly for four frames more. A displacement is
    believed by how well it explains the picture's profiles; on the fixed cameras it was tried on,
    whatever moved in them, none ever was.
    """

    def __init__(self, grid: PatchGrid, seen: npt.NDArray[np.bool_]) -> None:
        self._grid = grid
        self._seen = seen
        rows, cols = grid.group_shape
        self._cells = SUB_BLOCKS * rows, SUB_BLOCKS * cols
        self._origin: Profiles | None = None
        self._previous: Profiles | None = None
        self._stood = 0

    def settle(self, picture: Picture) -> None:
        """Takes the aim of a frame that was kept whole, or nearly, as the one to measure from."""
        self._origin = self._previous = Profiles.of(self._fine(picture))

    def view(self, picture: Picture, luma: Luma, reference: Luma, threshold: float) -> CameraView:
        """Takes the next frame of the stream.

        Args:
            picture: the frame.
            luma: the same, float32 [groups, n] in the n sub-blocks of each group that is not
                masked.
            reference: what was last kept there, of the same shape.
            threshold: luma steps by which a sub-block must differ to count as changed.
        """
        previous, self._previous = self._previous, None
        changed = changed_share(reference, luma, threshold)
        if self._origin is None or changed <= SUSPECT or self._is_idle():
            return CameraView(luma, None)
        fine = self._fine(picture)
        self._previous = now = Profiles.of(fine)
        shaken = self._origin.displacement(now, SHAKE)
        if shaken.length < STILL:
            return CameraView(luma, None)
        if _moved(shaken) and shaken.length <= SHAKE:
            back = in_groups(steadied(fine, shaken, self._cells), self._grid)[self._seen]
            if changed_share(reference, back, threshold) <= EXPLAINED * changed:
                self._stood = 0
                return CameraView(back, "shake")
        if previous is None or not _moved(previous.displacement(now, REACH)):
            return CameraView(luma, None)
        self._stood = 0
        return CameraView(luma, "pan")

    def _is_idle(self) -> bool:
        """Counts a frame in which the camera stands until it is found to move."""
        self._stood += 1
        return self._stood > PATIENCE and self._stood % PATIENCE > 1

    def _fine(self, picture: Picture) -> Pixels:
        rows, cols = self._cells
        return picture.luma(FINE * rows, FINE * cols)


def _moved(way: Displacement) -> bool:
    return way.length >= STILL and way.certainty >= CERTAIN
