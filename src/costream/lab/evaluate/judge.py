"""Which groups really changed: the truth that a pruner is judged by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from costream.lab.synth import SyntheticCamera
from costream.pruning import PatchGrid
from costream.video import Picture, Sample

SUB_BLOCKS = 4
"""Sub-blocks along each side of a merge group whose mean luma is compared."""

DIFFERENCE = 8.0
"""Luma steps, of 255, above which a sub-block really changed."""

Mask = npt.NDArray[np.bool_]
Looks = npt.NDArray[np.float32]


class Judge:
    """Says which groups of a frame differ from what one pruner last kept at their place.

    A group really changed when the mean luma of any of its 4 x 4 sub-blocks differs by more than 8
    of 255 from the frame in which the group was last kept. The reference is therefore the
    pruner's own: what one rule missed stays a change until that rule keeps it. A judge belongs to
    one run of one pruner.

    There are two truths:

    * :meth:`of_camera`: the synthetic camera's own pictures of the same moments, rendered
      without sensor noise and never encoded. Both moments are rendered in the light of the later
      one, so a change of the light alone changes no group.
    * :meth:`of_samples`: the decoded pictures themselves, which is the plain pixel comparison.
      Noise, coding and changes of the light count as what they look like.
    """

    def __init__(self, looks: Looks, light: npt.NDArray[np.float32] | None = None) -> None:
        """Takes the pictures to compare.

        Args:
            looks: [frames, group rows, 4, group cols, 4], luma of 0..255 in even light.
            light: [frames], brightness of each frame; even where it is not given.
        """
        self._looks = looks
        self._light = np.ones(len(looks), np.float32) if light is None else light
        self._seen = looks[0].copy()

    @classmethod
    def of_camera(cls, camera: SyntheticCamera, indices: Sequence[int], grid: PatchGrid) -> Judge:
        """Makes a judge that knows the truth.

        Args:
            camera: what the stream was rendered from.
            indices: the camera's frame of every sample, in order. One that comes again, of a
                stream that is played again, is rendered once.
            grid: the pruner's grid.
        """
        once = {index: _look(Picture.from_rgb(camera.clean(index)), grid) for index in {*indices}}
        looks = [once[index] for index in indices]
        light = np.array([camera.light(index) for index in indices], np.float32)
        return cls(np.stack(looks), light)

    @classmethod
    def of_samples(cls, samples: Sequence[Sample], grid: PatchGrid) -> Judge:
        """Makes a judge that compares pixels, for streams of which no truth is known."""
        return cls(np.stack([_look(sample.picture, grid) for sample in samples]))

    def again(self) -> Judge:
        """Returns a judge of the same truth for the next pruner, without computing it again."""
        return Judge(self._looks, self._light)

    def changed(self, frames: range) -> Mask:
        """Returns which groups changed in any of the frames: bool [group rows, group cols]."""
        changed = [self._differs(index) for index in frames]
        union: Mask = np.logical_or.reduce(changed)
        return union

    def keep(self, index: int, groups: Mask) -> None:
        """Notes that the pruner kept these groups of frame ``index``."""
        np.copyto(self._seen, self._looks[index], where=groups[:, None, :, None])

    def _differs(self, index: int) -> Mask:
        light = self._light[index]
        now = np.minimum(self._looks[index] * light, 255)
        gap = np.abs(now - np.minimum(self._seen * light, 255))
        differs: Mask = gap.max(axis=(1, 3)) > DIFFERENCE
        return differs


def _look(picture: Picture, grid: PatchGrid) -> Looks:
    rows, cols = grid.group_shape
    luma = picture.luma(SUB_BLOCKS * rows, SUB_BLOCKS * cols).astype(np.float32)
    return luma.reshape(rows, SUB_BLOCKS, cols, SUB_BLOCKS)
