"""Our rule: a group is kept when it differs from what the model last saw at its place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from costream.pruning.anchors import AnchorSchedule
from costream.pruning.base import (
    PRUNERS,
    AnchorReason,
    KeepMask,
    PatchGrid,
    Pruner,
    PrunerSettings,
)
from costream.pruning.light_watch import LightWatch
from costream.pruning.lighting import Luma
from costream.pruning.noise import NoiseFloor
from costream.video.sample import Sample

SUB_BLOCKS = 4
"""Sub-blocks along each side of a merge group whose mean luma is compared."""

CUT_SHARE = 0.6
"""Share of changed groups above which a patch counts as a new scene."""

CALM_SHARE = 0.3
"""Share of changed groups at or under which the next scene cut can be declared."""

Mask = npt.NDArray[np.bool_]


@PRUNERS.register("last-kept")
class LastKept(Pruner):
    """Keeps a group when it differs from what was last kept at its place.

    Each group is looked at as 4 x 4 sub-blocks of mean luma. It is kept when any sub-block differs
    from the stored reference by more than the threshold: 7 steps of 255, or down to 5 in a stream
    that its encoder has smoothed (see :class:`~costream.pruning.noise.NoiseFloor`), since such
    an encoder blurs what is new as well. Only a kept group becomes the new reference. So slow
    changes add up until they count, and a mistake lasts no longer than until the next anchor. A
    temporal patch keeps the union over its frames, all compared with the same reference; the
    last frame becomes the new one.

    **Whole frames.** The first; one at most ``settings.anchor_every`` ticks after the last, so
    that no group is ever older; a damaged interval; and those of the next two paragraphs.

    **Scene cut, moving camera.** A cut is a frame of which over 60% of the groups changed. Under a
    camera that moves all the time only the first such frame is a cut. The following ones are
    pruned like any other, which keeps whatever changed and never more than that, and the next cut
    can be declared once the share has been down to 30%.

    **Light.** A change of the light alone keeps one whole frame, when it begins; while it goes on
    the reference is relit, and only what differs besides is kept. Where the scene changes along
    with the light, as when a camera's exposure answers to who comes in, the comparison stays
    plain, and what the light changed is kept: see
    :class:`~costream.pruning.light_watch.LightWatch`. ``last-kept-relit`` takes the light out
    always.

    **The codec's evidence.** I-frames within the interval have no consequence here: what they
    redraw stays far under the threshold. Motion vectors are not used, so this rule sees equally
    well on codecs that have none, and is never ``blind``; ``last-kept-codec`` settles doubtful
    groups by them, and ``costream bench signal`` shows what that adds.
    """

    name = "last-kept"

    def __init__(self, grid: PatchGrid, settings: PrunerSettings) -> None:
        super().__init__(grid, settings)
        self._schedule = AnchorSchedule(settings.anchor_every)
        self._light = LightWatch()
        self._noise = NoiseFloor()
        self._reference: Luma | None = None
        self._armed = True

    def decide(self, samples: Sequence[Sample]) -> KeepMask:
        """Keeps what differs from what was last kept; see :meth:`Pruner.decide`."""
        due = self._schedule.due(samples)
        lumas = [self._look(sample) for sample in samples]
        light, changed = self._compare(samples, lumas)
        reason = due or light or self._cut(changed)
        if reason:
            self._schedule.place(samples)
            changed = np.ones(self.grid.group_shape, dtype=np.bool_)
        self._remember(lumas, changed)
        return KeepMask(changed, reason)

    def _compare(
        self, samples: Sequence[Sample], lumas: Sequence[Luma]
    ) -> tuple[AnchorReason | None, Mask]:
        """Compares each frame with the reference in that frame's own light."""
        light: AnchorReason | None = None
        changed = np.zeros(self.grid.group_shape, dtype=np.bool_)
        for sample, luma in zip(samples, lumas, strict=True):
            if self._relight(luma):
                light = "light"
            if self._reference is not None:
                gap: Luma = np.abs(luma - self._reference).max(axis=-1)
                np.logical_or(changed, self._differs(sample, gap), out=changed)
        return light, changed

    def _threshold(self) -> float:
        """Luma steps by which a sub-block of this stream must differ to count as changed."""
        return self._noise.threshold

    def _relight(self, now: Luma) -> bool:
        """Puts the reference into the light of ``now``; says whether to keep the frame whole."""
        if self._reference is None:
            return False
        view = self._light.view(self._reference, now, self._threshold())
        self._reference = view.reference
        return view.whole

    def _differs(self, sample: Sample, gap: Luma) -> Mask:
        """Says which groups changed, by the sample and the largest difference within each group."""
        differs: Mask = gap > self._threshold()
        return differs

    def _look(self, sample: Sample) -> Luma:
        rows, cols = self.grid.group_shape
        luma = sample.picture.luma(SUB_BLOCKS * rows, SUB_BLOCKS * cols)
        groups = luma.reshape(rows, SUB_BLOCKS, cols, SUB_BLOCKS).swapaxes(1, 2)
        return groups.reshape(rows, cols, -1).astype(np.float32)

    def _cut(self, changed: Mask) -> AnchorReason | None:
        if self._reference is None:
            return None
        share = float(changed.mean())
        cut = self._armed and share > CUT_SHARE
        if cut:
            self._armed = False
        elif share <= CALM_SHARE:
            self._armed = True
        return "cut" if cut else None

    def _remember(self, lumas: Sequence[Luma], kept: Mask) -> None:
        for luma in lumas:
            self._noise.add(luma)
        if self._reference is None:
            self._reference = lumas[-1]
        else:
            self._reference = np.where(kept[..., None], lumas[-1], self._reference)
