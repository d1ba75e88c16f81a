"""What a stream costs: memory and FLOPs, counted from a model's shapes before anything runs.

All streams share one pool of rows. A row is a token that was computed: its keys and values in all
layers. The features that a visual token came with lie in pages, rows of the same pool; text has
none. A token that is carried over has no row; it refers to that of the token that it stands for.
Beside its rows, a stream has the vision encoder's memory, keys and values of one picture.

From window to window a stream holds what the next one shares. What is new in a window, and what
leaves with the next, is there while the window is computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import torch

from costream.engine.row_shape import RowShape
from costream.engine.schedule import HELD_WINDOWS, Schedule
from costream.engine.wording import put
from costream.models import FrameGeometry, ModelAdapter, Timestamp
from costream.settings import EngineSettings

REFERENCE_BYTES = 16
"""What a carried-over token takes on the host: the row that it refers to, and its distance."""

TYPICAL_ASK = "Is someone fighting?"
"""Questions are counted at the length of this one."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Tokens of a stream that have a row in the pool.

    Attributes:
        kept: groups that were kept, in what the next window shares.
        labels: of the text around them.
        before: from before that, to which tokens in it refer.
        arriving: new ones.
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
        return self.visual + self.labels

    @property
    def visual(self) -> int:
        """Those of visual tokens, which have features."""
        return self.kept + self.before

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
        label: text tokens of a temporal patch, at the most that it comes to between rebases.
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
            label=_longest_label(model, geometry, schedule, settings.rebase_after),
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

        That is where an anchor lies in the midst of what the next window shares: the tokens before
        it still refer to rows from before.
        """
        kept, shared = self.kept(share), max(0, self.patches - self.arriving)
        anchors = ceil(shared / self.between_anchors)
        return Rows(
            kept=anchors * self.groups + (shared - anchors) * kept,
            labels=shared * self.label,
            # Where windows share nothing, what every group looked like last is held all the same.
            before=self.groups - kept if shared else self.groups,
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
        features: memory of the pages of features that go with those that it holds.
        passing: memory of the rows that it takes beside those while its window is computed, as if
            all of them had features.
        memory: of the vision encoder, in bytes.
        host: of references of carried-over tokens, in bytes of the host.
        flops: of a window that follows others: what is new in it, and the questions. Anchors count
            at their share. A rebase, when the window is computed whole, does not.
    """

    rows: Rows
    row_bytes: int
    features: int
    passing: int
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
        rows = layout.rows(share)
        return cls(
            rows=rows,
            row_bytes=row.bytes,
            features=row.feature_rows(rows.visual) * row.bytes,
            passing=row.with_features(rows.passing),
            memory=model.memory_shape(geometry).numbers * model.kv_shape.dtype.itemsize,
            host=layout.carried(share) * REFERENCE_BYTES,
            flops=_flops(model, geometry, layout, share),
        )

    @property
    def bytes(self) -> int:
        """Memory that a stream holds on the device from window to window."""
        return sum(self.parts.values())

    @property
    def parts(self) -> dict[str, int]:
        """What makes up that memory, in bytes."""
        return {
            "kept": self.rows.kept * self.row_bytes,
            "labels": self.rows.labels * self.row_bytes,
            "before": self.rows.before * self.row_bytes,
            "features": self.features,
            "encoder_memory": self.memory,
        }


def schedule_of(model: ModelAdapter, settings: EngineSettings) -> Schedule:
    """Returns the windows that settings make with a model.

    Raises:
        SettingsError: window or stride are no whole number of temporal patches.
    """
    return Schedule.from_seconds(
        settings.fps, settings.window, settings.stride, model.temporal_patch
    )


def _longest_label(
    model: ModelAdapter, geometry: FrameGeometry, schedule: Schedule, rebase_after: int
) -> int:
    """Returns the text tokens of the last temporal patch before a rebase: times grow."""
    none = torch.zeros(geometry.grid.groups, dtype=torch.bool)
    interval = schedule.patch / schedule.fps
    span = model.frame(Timestamp(0, 0.0, interval), none, geometry).span
    # An rebase_after ends with the window that begins behind its last position.
    last = rebase_after // max(1, span) + schedule.stride // schedule.patch
    return len(model.frame(Timestamp(last, last * interval, interval), none, geometry))


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
