"""Our rule: a group is kept when it differs from what the model last saw at its place."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, TypeVar

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
from costream.pruning.blocks import SUB_BLOCKS, in_groups
from costream.pruning.camera_watch import CameraMotion, CameraView, CameraWatch
from costream.pruning.doubt import Judge, over_threshold
from costream.pruning.light_watch import Light, LightWatch
from costream.pruning.lighting import Luma
from costream.pruning.threshold import Controller, Outcome, Threshold
from costream.video.sample import Sample

CUT_SHARE = 0.6
"""Share of changed groups above which a patch counts as a new scene."""

CALM_SHARE = 0.3
"""Share of changed groups at or under which the next scene cut can be declared."""

Mask = npt.NDArray[np.bool_]

Scalar = TypeVar("Scalar", bound=np.generic)


@PRUNERS.register("last-kept")
class LastKept(Pruner):
    """Keeps a group when it differs from what was last kept at its place.

    Each group is looked at as 4 x 4 sub-blocks of mean luma. It is kept when any sub-block differs
    from the stored reference by more than the threshold: 7 steps of 255, or down to 5 in a stream
    that its encoder has smoothed (see :class:`~costream.pruning.noise.NoiseFloor`), since such
    an encoder blurs what is new as well. Only a kept group becomes the new reference. So slow
    changes add up until they count, and a mistake lasts no longer than until the next anchor. A
    temporal patch keeps the union over its frames, all compared with the same reference; the
    last frame becomes the new one. A group that moved within its patch is kept once more when it
    has come to rest, since its token tells of the motion, and would go on telling of it.

    **Whole frames.** The first; one at most ``settings.anchor_every`` ticks after the last, so
    that no group is ever older; a damaged interval; and the cuts and lights below.

    **The picture as a whole.** What happens to it is recognised, and told by ``KeepMask.scene``:

    * **cut**: over 60% of the groups changed. The frame is kept whole. Under a camera that moves
      all the time only the first such frame is; the next cut can be declared once the share has
      been down to 30% in a frame of a camera that stands.
    * **light**: a change of the light alone keeps one whole frame, when it begins; while it goes
      on the reference is relit, and only what differs besides is kept. Where the scene changes
      along with the light, as when a camera's exposure answers to who comes in, the comparison
      stays plain, by more than 8 steps, and what the light changed is kept: see
      :class:`~costream.pruning.light_watch.LightWatch`. ``last-kept-relit`` takes the light out
      always.
    * **shake**: the frame is moved back by the camera's displacement, at most half a group, and
      compared so, by one step less than usual, since moving back blurs. See
      :class:`~costream.pruning.camera_watch.CameraWatch`.
    * **pan**: the camera moves further, or turns. The comparison stays plain, which keeps whatever
      changed and never more than that.

    **The codec's evidence.** I-frames within the interval have no consequence here: what they
    redraw stays far under the threshold. Motion vectors and QPs are not used, so this rule
    sees equally well on codecs that have none, and is never ``blind``; ``last-kept-codec`` settles
    doubtful groups by vectors, ``last-kept-residual`` by residuals, and ``costream bench signal``
    shows what that adds.

    **Masks.** Groups that masks hide are left out of everything: of what is kept, of the shares
    above, and of what is known of light and flicker.

    **Parts.** The rule is put together of a threshold, a judge, what it does about light, and a
    controller where there is one; its variants are other parts in their places.

    Args:
        grid: how pictures are cut.
        settings: the engine's.
        judge: says which groups changed, by their differences and the threshold.
        light: takes changes of the light out of comparisons.
        controller: sets the threshold's factor after every temporal patch.

    Attributes:
        threshold: the stream's threshold; its factor can be set while the stream runs.
        controller: see above. It can be replaced between two temporal patches.
        outcome: what came of the last temporal patch; None before the first.
    """

    name = "last-kept"
    steerable = True

    def __init__(
        self,
        grid: PatchGrid,
        settings: PrunerSettings,
        *,
        judge: Judge = over_threshold,
        light: Light | None = None,
        controller: Controller | None = None,
    ) -> None:
        super().__init__(grid, settings)
        self.threshold = Threshold()
        self.controller = controller
        self.outcome: Outcome | None = None
        self._judge = judge
        self._schedule = AnchorSchedule(settings.anchor_every)
        self._light = light or LightWatch()
        hidden = settings.masked
        self._seen = np.ones(grid.group_shape, np.bool_) if hidden is None else ~hidden
        self._camera = CameraWatch(grid, self._seen)
        self._reference: Luma | None = None
        self._unsettled: Mask | None = None
        self._armed = True

    def steer(self, threshold: float, anchors: float) -> None:
        """Sets the threshold's factor and the distance of anchors; see :meth:`Pruner.steer`."""
        self.threshold.factor = threshold
        self._schedule.every = max(1, round(anchors * self.settings.anchor_every))

    def decide(self, samples: Sequence[Sample]) -> KeepMask:
        """Keeps what differs from what was last kept; see :meth:`Pruner.decide`."""
        due = self._schedule.due(samples)
        self.threshold.begin()
        views = [self._see(sample) for sample in samples]
        light, changed, gaps = self._compare(samples, views)
        motion = _motion(views)
        cut = self._cut(changed, calm=motion is None)
        reason = due or light or cut
        scene = cut or motion or self._light.scene
        if reason:
            self._schedule.place(samples)
            changed = np.ones(int(self._seen.sum()), dtype=np.bool_)
        elif self._unsettled is not None:
            changed |= self._unsettled
        self._unsettled = changed & self._moves(views)
        threshold = self._steps
        self._remember(samples, views, changed)
        mask = KeepMask(self._laid_out(changed), reason, scene)
        self._report(Outcome(mask, self._laid_out(gaps, np.nan), threshold, len(changed)))
        return mask

    def _see(self, sample: Sample) -> CameraView:
        luma = self._look(sample)
        if self._reference is None:
            return CameraView(luma, None)
        return self._camera.view(sample.picture, luma, self._reference, self._steps)

    def _compare(
        self, samples: Sequence[Sample], views: Sequence[CameraView]
    ) -> tuple[AnchorReason | None, Mask, Luma]:
        """Compares each frame with the reference in that frame's own light.

        Returns:
            Whether a change of the light keeps it whole, what changed, and by how much, of each
            group that no mask hides.
        """
        light: AnchorReason | None = None
        changed = np.zeros(int(self._seen.sum()), dtype=np.bool_)
        gaps = np.zeros(len(changed), dtype=np.float32)
        for sample, view in zip(samples, views, strict=True):
            if self._relight(view.luma):
                light = "light"
            if self._reference is not None:
                gap: Luma = np.abs(view.luma - self._reference).max(axis=-1) + view.blur
                judged = self._judge(sample, self._laid_out(gap), self._steps)[self._seen]
                np.logical_or(changed, judged, out=changed)
                np.maximum(gaps, gap, out=gaps)
        return light, changed, gaps

    def _moves(self, views: Sequence[CameraView]) -> Mask:
        """Says which groups change from frame to frame of one temporal patch."""
        moves = np.zeros(int(self._seen.sum()), dtype=np.bool_)
        for before, after in pairwise(views):
            gap: Luma = np.abs(after.luma - before.luma).max(axis=-1)
            moves |= gap > self._steps
        return moves

    @property
    def _steps(self) -> float:
        """Luma steps by which a sub-block of this stream must differ to count as changed."""
        return self.threshold.steps(mixed=self._light.mixed)

    def _report(self, outcome: Outcome) -> None:
        self.outcome = outcome
        if self.controller is not None:
            self.threshold.factor = self.controller.next_factor(outcome)

    def _relight(self, now: Luma) -> bool:
        """Puts the reference into the light of ``now``; says whether to keep the frame whole."""
        if self._reference is None:
            return False
        view = self._light.view(self._reference, now, self._steps)
        self._reference = view.reference
        return view.whole

    def _look(self, sample: Sample) -> Luma:
        """Returns the sub-blocks of the groups that no mask hides: float32 [groups, 16]."""
        rows, cols = self.grid.group_shape
        luma = sample.picture.luma(SUB_BLOCKS * rows, SUB_BLOCKS * cols)
        return in_groups(luma, self.grid)[self._seen]

    def _laid_out(self, values: npt.NDArray[Scalar], other: float = 0) -> npt.NDArray[Scalar]:
        """Returns values of the groups that no mask hides at their places, another elsewhere."""
        picture = np.full(self.grid.group_shape, other, values.dtype)
        picture[self._seen] = values
        return picture

    def _cut(self, changed: Mask, *, calm: bool) -> Literal["cut"] | None:
        if self._reference is None:
            return None
        share = float(changed.mean())
        cut = self._armed and share > CUT_SHARE
        if cut:
            self._armed = False
        elif calm and share <= CALM_SHARE:
            self._armed = True
        return "cut" if cut else None

    def _remember(self, samples: Sequence[Sample], views: Sequence[CameraView], kept: Mask) -> None:
        for sample, view in zip(samples, views, strict=True):
            calm = view.motion is None and not self._light.followed
            key = sample.change.keyframes > 0
            self.threshold.add(view.luma, key=key, shown=not sample.reused, calm=calm)
        if self._reference is None or kept.all():
            self._reference = self._look(samples[-1])
            self._camera.settle(samples[-1].picture)
            return
        self._reference = np.where(kept[..., None], views[-1].luma, self._reference)
        if views[-1].motion != "shake" and kept.mean() > CUT_SHARE:
            self._camera.settle(samples[-1].picture)


def _motion(views: Sequence[CameraView]) -> CameraMotion | None:
    return next((view.motion for view in reversed(views) if view.motion), None)
