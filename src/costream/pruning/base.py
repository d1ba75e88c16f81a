"""The contract of a pruner: which patches of a frame the vision encoder gets to see."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from costream.errors import SettingsError
from costream.registry import Registry
from costream.video.sample import Sample

AnchorReason = Literal["first", "age", "cut", "light", "damage", "blind"]
"""Why a frame is encoded whole.

``first``: nothing was kept before. ``age``: the last anchor is too old. ``cut``: too much of the
picture changed at once. ``light``: the light changed over the whole picture. ``damage``: the
decoder concealed an error. ``blind``: the stream gives no evidence of change.
"""

Scene = Literal["cut", "light", "shake", "pan"]
"""What happens to the picture as a whole, where a rule recognises it.

``cut``: another scene, or a camera that moves all the time. ``light``: the light is changing.
``shake``: the camera is displaced by at most a quarter of a merge group. ``pan``: the camera
moves further than that from one frame to the next.
"""


@dataclass(frozen=True, slots=True)
class PatchGrid:
    """How a picture is cut for the model: ``rows`` x ``cols`` patches, merged in squares.

    The whole picture is stretched onto the grid. A merge group is ``merge`` x ``merge`` patches, so
    ``rows`` and ``cols`` are multiples of ``merge``.

    Raises:
        SettingsError: a side is not a positive multiple of ``merge``.
    """

    rows: int
    cols: int
    merge: int

    def __post_init__(self) -> None:
        sides = (self.rows, self.cols)
        if self.merge < 1 or any(side < 1 or side % self.merge for side in sides):
            raise SettingsError(
                f"a grid of {self.rows} x {self.cols} patches can't be merged by {self.merge}: "
                "both sides must be positive multiples of it"
            )

    @property
    def group_shape(self) -> tuple[int, int]:
        """Rows and columns of merge groups: one group becomes one visual token."""
        return self.rows // self.merge, self.cols // self.merge

    @property
    def groups(self) -> int:
        """Merge groups in a whole frame."""
        rows, cols = self.group_shape
        return rows * cols


@dataclass(frozen=True, slots=True)
class KeepMask:
    """Which merge groups of one temporal patch are encoded.

    Attributes:
        groups: bool [group rows, group cols]. A temporal patch of several frames has one mask, the
            union over its frames.
        anchor: why everything is kept, or None for a pruned frame.
        scene: what the rule recognised in the picture as a whole, or None.
    """

    groups: npt.NDArray[np.bool_]
    anchor: AnchorReason | None
    scene: Scene | None = None

    @classmethod
    def whole(cls, grid: PatchGrid, anchor: AnchorReason | None) -> KeepMask:
        """Returns the mask that keeps every group of ``grid``."""
        return cls(np.ones(grid.group_shape, dtype=np.bool_), anchor)

    def without(self, masked: npt.NDArray[np.bool_] | None) -> KeepMask:
        """Returns it without the groups that masks hide: bool [group rows, group cols], or None."""
        return self if masked is None else replace(self, groups=self.groups & ~masked)

    @property
    def kept(self) -> int:
        """Number of groups kept."""
        return int(self.groups.sum())


@dataclass(frozen=True, slots=True)
class PrunerSettings:
    """What a pruner is told by the engine.

    Attributes:
        anchor_every: ticks after which a frame is encoded whole again. Where pruned groups are
            dropped, the engine chooses at most the window's length, so that every window holds
            every place at least once. The
            published rules carry their own GOP of 16 and heed it only where it is shorter.
        keep: share of groups to keep, in 0..1, for the rules that take one.
        seed: seed of the rules that draw at random, not negative.
        masked: bool [group rows, group cols], the groups that the stream's masks hide, or None. A
            rule may keep them, since they are taken out of what it decides; it should not count
            them where it asks how much of the picture has changed.

    Raises:
        SettingsError: a value is out of range.
    """

    anchor_every: int
    keep: float = 0.2
    seed: int = 0
    masked: npt.NDArray[np.bool_] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.anchor_every < 1:
            raise SettingsError(f"anchor_every must be at least 1 tick, not {self.anchor_every}")
        if not 0.0 <= self.keep <= 1.0:
            raise SettingsError(f"keep must be a share between 0 and 1, not {self.keep}")
        if self.seed < 0:
            raise SettingsError(f"seed must not be negative, not {self.seed}")


class Pruner(ABC):
    """Decides for one stream, in stream order, which merge groups are kept.

    A pruner belongs to one stream and remembers what was kept where. It is not safe to share.

    Attributes:
        name: what the rule is registered as.
        vectors: the rule looks at the codec's motion vectors. For one that doesn't, the stream can
            be opened with ``motion=False``, which makes reading it cheaper.
        steerable: the rule can be told to keep more or less while its stream runs: :meth:`steer`.
        after_vision: the rule looks at what the vision encoder makes of a patch, so that it saves
            nothing of the encoder's work: what :meth:`decide` keeps is encoded, and :meth:`thin`
            says what is left of it.
    """

    name: ClassVar[str]
    vectors: ClassVar[bool] = False
    steerable: ClassVar[bool] = False
    after_vision: ClassVar[bool] = False

    def __init__(self, grid: PatchGrid, settings: PrunerSettings) -> None:
        self.grid = grid
        self.settings = settings

    @abstractmethod
    def decide(self, samples: Sequence[Sample]) -> KeepMask:
        """Returns the mask of the temporal patch made of ``samples``, and remembers it.

        Args:
            samples: the one or more frames that share a grid, in order, each later than any
                frame decided before.

        Returns:
            A mask whose ``groups`` belong to the caller.

        Raises:
            ValueError: ``samples`` is empty.
        """

    def steer(self, threshold: float, anchors: float) -> None:
        """Has the rule keep more or less, from the next temporal patch on. Any thread may.

        Args:
            threshold: factor of how much a group must change to be kept.
            anchors: factor of ``settings.anchor_every``; 0 encodes every frame whole.

        Raises:
            SettingsError: the rule is not :attr:`steerable`.
        """
        raise SettingsError(f"the pruner {self.name} can't be set while its stream runs")

    def thin(
        self, masks: Sequence[KeepMask], features: Sequence[npt.NDArray[np.float32]]
    ) -> list[KeepMask]:
        """Returns what is left after a look at the features, and remembers them.

        Called only where ``after_vision`` is set, with temporal patches decided together.

        Args:
            masks: those that :meth:`decide` returned, in order.
            features: float32 [kept groups, hidden] of each, from the vision encoder.
        """
        return list(masks)


PRUNERS: Registry[Pruner] = Registry("pruner", Pruner, "costream.pruners", ["name"])
