"""What a stream costs: memory and FLOPs, counted from a model's shapes before anything runs.

All streams share one pool of rows. A row is a token that was computed: its keys and values in all
layers, and the features that it came with. A token that is carried over has none; it refers to the
row of the token that it stands for. Beside its rows, a stream has the vision encoder's memory, keys
and values of one picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import torch

from costream.engine.schedule import HELD_WINDOWS, Schedule
from costream.engine.wording import put
from costream.models import FrameGeometry, KVShape, ModelAdapter, Moment
from costream.settings import EngineSettings

REFERENCE_BYTES = 16
"""What a carried-over token takes on the host: the row that it refers to, and its distance."""

TYPICAL_ASK = "Is someone fighting?"
"""Questions are counted at the length of this one."""

_SCALE_BYTES = 2
"""A float16: the 8-bit keys of one head of one row share one, and so do the values."""


@dataclass(frozen=True, slots=True)
class RowShape:
    """What one row of the pool holds.

    Attributes:
        kv: shape of the language model's cache, in the type that it computes in.
        packed: keys and values are stored in 8 bits, with a float16 scale for each head of each
            layer's keys and of its values.
    """

    kv: KVShape
    packed: bool = False

    @classmethod
    def of(cls, model: ModelAdapter, *, packed: bool = False) -> RowShape:
        """Returns the rows of a model's pool."""
        return cls(model.kv_shape, packed)

    @property
    def bytes(self) -> int:
        """Memory of a row."""
        kv = self.kv
        head = kv.head_dim + _SCALE_BYTES if self.packed else kv.head_dim * kv.dtype.itemsize
        features = (1 + kv.deepstack) * kv.hidden * kv.dtype.itemsize
        return kv.layers * 2 * kv.kv_heads * head + features


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a stream in the pool.

    Attributes:
        kept: of the window's groups that were kept.
        labels: of the text around them.
        before: from before the window, to which tokens in it refer.
        arriving: new ones, until what left the window is freed.
        questions: of the questions, while they are answered.
    """

    kept: int
    labels: int
    before: int
    arriving: int
    questions: int

    @property
    def held(self) -> int:
        """Rows that a stream holds from window to window."""
        return self.kept + self.labels + self.before

    @property
    def passing(self) -> int:
        """Rows that a stream takes beside those, while it is part of a batch."""
        return self.arriving + self.questions


@dataclass(frozen=True, slots=True)
class WindowLayout:
    """What a stream's window consists of.

    Attributes:
        patches: temporal patches of the window.
        arriving: those that are new in each window.
        between_anchors: temporal patches from one that is encoded whole to the next.
        groups: merge groups of a whole temporal patch.
        label: text tokens of a temporal patch, at the most that an epoch comes to.
        questions: how many are asked.
        question: tokens of one.
        prompt: tokens before the video.
    """

    patches: int
    arriving: int
    between_anchors: int
    groups: int
    label: int
    questions: int
    question: int
    prompt: int

    @classmethod
    def of(
        cls,
        model: ModelAdapter,
        geometry: FrameGeometry,
        settings: EngineSettings,
        questions: int,
    ) -> WindowLayout:
        """Lays out the windows of a stream.

        Args:
            model: the model, which may have no weights.
            geometry: how the stream's pictures are cut.
            settings: the engine's.
            questions: how many are asked.

        Raises:
            SettingsError: window or stride are no whole number of temporal patches.
        """
        schedule = schedule_of(model, settings)
        every = settings.anchor_every
        ticks = HELD_WINDOWS * schedule.window if every is None else round(every * schedule.fps)
        return cls(
            patches=schedule.window // schedule.patch,
            arriving=schedule.stride // schedule.patch,
            between_anchors=max(1, ticks // schedule.patch),
            groups=geometry.grid.groups,
            label=_longest_label(model, geometry, schedule, settings.epoch),
            questions=questions,
            question=len(model.question(put(TYPICAL_ASK, settings.ask_form))),
            prompt=len(model.prompt()),
        )

    @property
    def tokens(self) -> int:
        """Tokens of a window as the language model sees it, those that are carried over too."""
        video = self.patches * (self.groups + self.label)
        return self.prompt + video + self.questions * self.question

    def kept(self, share: float) -> int:
        """Groups of a temporal patch that are kept, of one that is no anchor."""
        # 0.15 of 220 is 33.0, and a hair more in binary: that is no 34th group.
        return min(self.groups, ceil(share * self.groups - 1e-6))

    def rows(self, share: float) -> Rows:
        """Returns a stream's rows where that share of the groups is kept, at their most.

        That is where an anchor lies in the midst of the window: the tokens before it still refer
        to rows from before the window.
        """
        kept = self.kept(share)
        anchors = ceil(self.patches / self.between_anchors)
        return Rows(
            kept=anchors * self.groups + (self.patches - anchors) * kept,
            labels=self.patches * self.label,
            before=self.groups - kept,
            # One of the new ones may be an anchor.
            arriving=self.groups + (self.arriving - 1) * kept + self.arriving * self.label,
            questions=self.questions * self.question,
        )

    def carried(self, share: float) -> int:
        """Returns the tokens of a window that are carried over, at most."""
        return self.patches * (self.groups - self.kept(share))


@dataclass(frozen=True, slots=True)
class StreamCost:
    """What a stream costs where a share of its groups is kept.

    Attributes:
        rows: of the pool.
        row_bytes: memory of one of them.
        memory: of the vision encoder, in bytes.
        host: of references of carried-over tokens, in bytes of the host.
        flops: of a window that follows others: what is new in it, and the questions. Anchors count
            at their share. That an epoch begins, when the window is computed whole, does not.
    """

    rows: Rows
    row_bytes: int
    memory: int
    host: int
    flops: int

    @classmethod
    def of(
        cls,
        model: ModelAdapter,
        geometry: FrameGeometry,
        layout: WindowLayout,
        row: RowShape,
        share: float,
    ) -> StreamCost:
        """Counts what a stream costs.

        Args:
            model: the model, which may have no weights.
            geometry: how the stream's pictures are cut.
            layout: its windows.
            row: a row of the pool.
            share: of the merge groups that are kept, 0..1.
        """
        return cls(
            rows=layout.rows(share),
            row_bytes=row.bytes,
            memory=model.memory_shape(geometry).numbers * model.kv_shape.dtype.itemsize,
            host=layout.carried(share) * REFERENCE_BYTES,
            flops=_flops(model, geometry, layout, share),
        )

    @property
    def bytes(self) -> int:
        """Memory that a stream holds on the device from window to window."""
        return self.rows.held * self.row_bytes + self.memory


def schedule_of(model: ModelAdapter, settings: EngineSettings) -> Schedule:
    """Returns the windows that settings make with a model.

    Raises:
        SettingsError: window or stride are no whole number of temporal patches.
    """
    return Schedule.from_seconds(
        settings.fps, settings.window, settings.stride, model.temporal_patch
    )


def _longest_label(
    model: ModelAdapter, geometry: FrameGeometry, schedule: Schedule, epoch: int
) -> int:
    """Returns the text tokens of the last temporal patch of an epoch: times and numbers grow."""
    none = torch.zeros(geometry.grid.groups, dtype=torch.bool)
    interval = schedule.patch / schedule.fps
    span = model.frame(Moment(0, 0.0, interval), none, geometry).span
    last = epoch // max(1, span)
    return len(model.frame(Moment(last, last * interval, interval), none, geometry))


def _flops(model: ModelAdapter, geometry: FrameGeometry, layout: WindowLayout, share: float) -> int:
    anchors = min(1.0, 1 / layout.between_anchors)
    each = [(1 - anchors, layout.kept(share)), (anchors, layout.groups)]
    return round(sum(part * _flops_at(model, geometry, layout, kept) for part, kept in each))


def _flops_at(model: ModelAdapter, geometry: FrameGeometry, layout: WindowLayout, kept: int) -> int:
    """FLOPs of a window each of whose new temporal patches has that many groups."""
    group = geometry.grid.merge**2
    seen = [layout.groups * group] * layout.arriving
    vision = model.vision_flops([kept * group] * layout.arriving, seen)
    new = layout.arriving * (kept + layout.label) + layout.questions * layout.question
    asked = layout.questions
    return vision + model.text_flops(new, layout.tokens, logits=asked, read=asked)
