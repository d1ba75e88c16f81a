"""Variants of the default rule that show what light and codec have to do with it."""

from __future__ import annotations

from typing import ClassVar

from costream.pruning.base import PRUNERS, PatchGrid, PrunerSettings
from costream.pruning.doubt import Doubt, corrected, moved
from costream.pruning.last_kept import CUT_SHARE, LastKept
from costream.pruning.light_watch import LightView, changed_share
from costream.pruning.lighting import Luma, fit_lighting


@PRUNERS.register("last-kept-relit")
class RelitLastKept(LastKept):
    """The default rule, but for the light: every frame is compared in its own light.

    The reference is relit by one gain and one offset before each comparison, so that a change of
    the light, however mixed with other things, keeps nothing at all. What the model saw stays in
    the old light until the next anchor. On a camera whose exposure answers to every passing car
    this kept a third of what the default did, at the price that it is blind to light: a picture
    of the same content counts as the same. Where no single light leaves less than 60% of the
    groups changed, the comparison is plain.
    """

    name = "last-kept-relit"

    def __init__(self, grid: PatchGrid, settings: PrunerSettings) -> None:
        super().__init__(grid, settings, light=AlwaysRelit())


class AlwaysRelit:
    """Takes the light out of every comparison, whatever it does: no change of it is recognised."""

    scene: ClassVar[None] = None
    followed: ClassVar[bool] = False
    mixed: ClassVar[bool] = False

    def view(self, reference: Luma, now: Luma, threshold: float) -> LightView:
        """Takes the next frame: see :meth:`~costream.pruning.light_watch.LightWatch.view`."""
        light = fit_lighting(reference, now)
        relit = reference if light is None else light.apply(reference)
        trusted = light is not None and changed_share(relit, now, threshold) <= CUT_SHARE
        return LightView(relit if trusted else reference, False)


@PRUNERS.register("last-kept-codec")
class CodecLastKept(LastKept):
    """The default rule, settled in its zone of doubt by vectors and intra blocks.

    See :class:`~costream.pruning.doubt.Doubt` and :func:`~costream.pruning.doubt.moved`.
    """

    name = "last-kept-codec"
    vectors = True

    def __init__(self, grid: PatchGrid, settings: PrunerSettings) -> None:
        super().__init__(grid, settings, judge=Doubt(moved))


@PRUNERS.register("last-kept-residual")
class ResidualLastKept(LastKept):
    """The default rule, settled in its zone of doubt by what prediction left to be corrected.

    That tells more than vectors do, most of all on H.265; where an encoder is starved of bits it
    leaves real changes uncorrected, and this rule misses some of them. See
    :class:`~costream.pruning.doubt.Doubt` and :func:`~costream.pruning.doubt.corrected`.
    """

    name = "last-kept-residual"
    vectors = True

    def __init__(self, grid: PatchGrid, settings: PrunerSettings) -> None:
        super().__init__(grid, settings, judge=Doubt(corrected))
