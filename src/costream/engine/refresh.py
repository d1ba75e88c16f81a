"""Refresh policies: which tokens of the overlap are recomputed when the window slides.

A reused key or value was computed when earlier frames, since gone, could still be seen. A policy
names the tokens whose context is worth putting right; all others are taken as they are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from costream.errors import IntegrityError
from costream.registry import Registry

if TYPE_CHECKING:
    # The names of policies are wanted where torch is not: on the command line.
    from torch import Tensor

    from costream.engine.overlap import Overlap


@dataclass(frozen=True, slots=True)
class RefreshSettings:
    """What a policy is told by the engine.

    Attributes:
        share: share of the overlap's tokens to recompute, in 0..1, for the policies that take one.
        seed: seed of the policies that draw at random.
    """

    share: float = 0.15
    seed: int = 0


class RefreshPolicy(ABC):
    """Chooses what is recomputed. Stateless: one object serves all streams."""

    rebase: ClassVar[bool] = False
    """True where every window is a rebase: nothing is reused, positions and timestamps
    start again, and the window is what the stock model would see of it."""

    looks: ClassVar[bool] = False
    """True where the choice needs fresh keys: what is run for them before a window is planned."""

    lead: ClassVar[bool] = False
    """True where tokens behind a recomputed one that referred to its row refer to the new row."""

    def __init__(self, settings: RefreshSettings) -> None:
        self.settings = settings

    @abstractmethod
    def select(self, overlap: Overlap, deviations: Tensor | None) -> Tensor:
        """Returns the tokens to recompute: bool [tokens of the overlap], on the CPU.

        Args:
            overlap: what an earlier window held already.
            deviations: for a policy that :attr:`looks`, the squared distance of each token's fresh
                key at :data:`CHECK_LAYER` from the one in the pool: [tokens of the overlap].
        """


REFRESH: Registry[RefreshPolicy] = Registry("refresh policy", RefreshPolicy, "costream.refresh")

DEFAULT_REFRESH = "none"

CHECK_LAYER = 1
"""The layer whose keys are compared (arXiv 2405.16444): the first whose keys depend on context.
Those of layer 0 depend on a token and its position alone, so that the stored ones are right."""

PREFIX_FRAMES = 3
"""Frames that ``prefix`` recomputes (arXiv 2604.06036 v4)."""


@REFRESH.register("full")
class FullRefresh(RefreshPolicy):
    """Everything, in every window: exact, and the yardstick for all others."""

    rebase = True

    def select(self, overlap: Overlap, deviations: Tensor | None) -> Tensor:
        return overlap.of(lambda patch: True)


@REFRESH.register("anchors")
class AnchorRefresh(RefreshPolicy):
    """The frames that were encoded whole: the paper's I-frames (arXiv 2604.06036).

    Where pruned groups are carried over, answers differ from those of full recomputation as often
    as without.
    """

    def select(self, overlap: Overlap, deviations: Tensor | None) -> Tensor:
        return overlap.of(lambda patch: patch.anchor)


@REFRESH.register("prefix")
class PrefixRefresh(RefreshPolicy):
    """The window's first frames, whose lost context was the largest share of what they saw."""

    def select(self, overlap: Overlap, deviations: Tensor | None) -> Tensor:
        return overlap.of(lambda patch: patch.tick < overlap.start + PREFIX_FRAMES)


@REFRESH.register("cacheblend")
class CacheBlendRefresh(RefreshPolicy):
    """The share of tokens whose keys at a check layer differ most from those in the pool.

    CacheBlend (arXiv 2405.16444): the layers before the check layer are run for the whole overlap,
    which is what choosing costs. The published share is 15%, over all frames together.
    """

    looks = True

    def select(self, overlap: Overlap, deviations: Tensor | None) -> Tensor:
        if deviations is None:
            raise IntegrityError("fresh keys were not looked at")
        return overlap.highest(deviations, self.settings.share)


@REFRESH.register("vlcache")
class VLCacheRefresh(RefreshPolicy):
    """The first tokens of every frame, the same share of each.

    After VLCache (arXiv 2512.12977): errors of reuse add up along a reused item, so its leading
    tokens are worth most. The published share varies by layer; here it is one for all layers.
    """

    def select(self, overlap: Overlap, deviations: Tensor | None) -> Tensor:
        return overlap.leading(self.settings.share)


@REFRESH.register("stale")
class StaleRefresh(RefreshPolicy):
    """The tokens whose rows saw most of what has left the window, and which most others refer to.

    Where pruned groups are carried over, one row stands for a group in many frames. Recomputing it
    at the first of them puts all of them right for the price of one token. See
    :meth:`~costream.engine.overlap.Overlap.staleness`.
    """

    lead = True

    def select(self, overlap: Overlap, deviations: Tensor | None) -> Tensor:
        stale = overlap.staleness()
        return overlap.highest(stale, self.settings.share) & (stale > 0)


@REFRESH.register("random")
class RandomRefresh(RefreshPolicy):
    """A random share of the tokens: what a choice is worth shows against this."""

    def select(self, overlap: Overlap, deviations: Tensor | None) -> Tensor:
        return overlap.highest(overlap.draws(self.settings.seed), self.settings.share)


@REFRESH.register("none")
class NoRefresh(RefreshPolicy):
    """Nothing: direct reuse. Until a rebase, each token is as it was when it came."""

    def select(self, overlap: Overlap, deviations: Tensor | None) -> Tensor:
        return overlap.of(lambda patch: False)
