"""The model runner: the only place that touches the device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from costream.engine.attention.backends import AUTO, backend_for
from costream.engine.attention.kernel import KeyView, StreamKeys, StreamTokens
from costream.engine.attention.paged import KeyProbe, PagedAttention
from costream.engine.batch import Batch, Pass, PassTensors, SegmentTensors, StreamPieces, passes_of
from costream.engine.continuation import Continuation, seen_by
from costream.engine.fixed_step import FixedStep
from costream.engine.ingest import FrameInput, WindowInput
from costream.engine.kv_pool import KVPool
from costream.engine.plan import Keys, Piece, Plan, Prompt, Stream, Survey, concatenate
from costream.engine.refresh import CHECK_LAYER
from costream.engine.row_shape import RowShape
from costream.engine.stage_clock import StageClock
from costream.engine.upload import Upload, Uploaded
from costream.engine.window_copy import WindowCopy
from costream.models import (
    Attention,
    EncodeJob,
    EncoderMemory,
    ModelAdapter,
    Segment,
    VisualTokens,
)

Pick = Callable[[Tensor], list[int]]
"""Names the next token of each row of logits, [rows, vocabulary]."""


Step = Callable[[Mapping[int, int], Tensor], Tensor]
"""Appends a token to each of some answers: tokens by question and positions to logits."""


@dataclass(slots=True)
class Output:
    """What came of a plan.

    Attributes:
        logits: [questions, vocabulary], at each question's first answer token, on the device.
        flops: operations that were run for it.
        clock: of the step that it was part of: the encoder, then the language model.
        vision_share: its part of the encoder's time, by patches.
        prefill_share: its part of the language model's, by tokens.
    """

    logits: Tensor
    flops: int
    clock: StageClock = field(repr=False)
    vision_share: float
    prefill_share: float

    @property
    def vision_seconds(self) -> float:
        """Its share of the encoder's time. It waits for the device: read the logits first."""
        return self.vision_share * self.clock.seconds(0)

    @property
    def prefill_seconds(self) -> float:
        """Its share of the language model's time: see :attr:`vision_seconds`."""
        return self.prefill_share * self.clock.seconds(1)


class ModelRunner:
    """Runs plans on one model, and owns what lies on its device: pool and encoder memories.

    Args:
        model: the model.
        chunk: most tokens that go through the language model together; bounds memory, not results.
        kv_memory: bytes of the pool; None for as many as it needs.
        packed: store keys and values in 8 bits.
        attention: name of the attention backend, or ``auto``.
        capture: answers are written by a step of fixed shapes, on a GPU as a CUDA graph.

    Raises:
        SettingsError: there is no such backend.
    """

    def __init__(
        self,
        model: ModelAdapter,
        chunk: int,
        kv_memory: int | None = None,
        *,
        packed: bool = False,
        attention: str = AUTO,
        capture: bool = False,
    ) -> None:
        self.model = model
        self._capture = capture
        self._fixed: FixedStep | None = None
        self._backend = backend_for(attention, model.kv_shape.device.type)
        row = RowShape(model.kv_shape, packed)
        limit = None if kv_memory is None else kv_memory // row.bytes
        self.pool = KVPool(model.kv_shape, limit=limit, packed=packed)
        self._chunk = chunk
        self._memories: dict[int, EncoderMemory] = {}
        self.prompt = self._compute_prompt()

    @torch.inference_mode()
    def encode(self, windows: Sequence[tuple[Stream, WindowInput]]) -> list[VisualTokens]:
        """Runs the vision encoder on the new patches of some streams' windows, in one call.

        Returns:
            The features of each temporal patch's kept groups: those of all windows, in order.
        """
        jobs = [self._job(stream, frame) for stream, window in windows for frame in window.frames]
        return self.model.encode(jobs) if jobs else []

    @torch.inference_mode()
    def run(self, batch: Batch) -> list[Output]:
        """Encodes and prefills a batch; returns what came of each plan, in order."""
        clock, upload = StageClock(self._device), Upload(self._device)
        steps = [self._paged(part, upload) for part in batch.passes(self._chunk)]
        units = upload.add(self.pool.units(batch.encode))
        upload.move()
        self._encode(batch, units)
        clock.mark()
        logits = self.model.logits(self._read(steps))
        clock.mark()
        parts = torch.split(logits, [plan.asked for plan in batch.plans])
        return self._outputs(batch, parts, clock)

    @torch.inference_mode()
    def deviations(self, survey: Survey) -> Tensor:
        """Compares fresh keys at the check layer with those in the pool, which stays as it is.

        Returns:
            The squared distance of each token's fresh key from the stored one: [tokens]. It is
            zero for a model without a check layer, whose stored keys are exact.
        """
        tokens = sum(len(piece.segment) for piece in survey.pieces)
        if self.model.kv_shape.layers <= CHECK_LAYER or not tokens:
            return torch.zeros(tokens)
        upload = Upload(self._device)
        parts = passes_of([(survey.keys, survey.pieces)], self._chunk)
        steps = [self._probe(part, upload) for part in parts]
        upload.move()
        for inputs, probe in steps:
            self._forward(inputs, probe, until=CHECK_LAYER)
        return torch.cat([probe.deviations for _, probe in steps])

    def survey_flops(self, survey: Survey) -> int:
        """Operations of :meth:`deviations`: the layers before the check layer, its projections."""
        tokens = sum(len(piece.segment) for piece in survey.pieces)
        shape = self.model.kv_shape
        layers = self.model.text_flops(tokens, len(survey.keys), logits=0)
        projections = 2 * 2 * tokens * shape.hidden * shape.kv_heads * shape.head_dim
        return layers * CHECK_LAYER // shape.layers + projections

    @torch.inference_mode()
    def write(
        self, plan: Plan, firsts: dict[int, int], spans: Sequence[int], pick: Pick, limit: int
    ) -> tuple[dict[int, list[int]], int]:
        """Writes answers greedily, those of several questions side by side.

        Args:
            plan: a plan that was run and not yet committed.
            firsts: by question, the first token of its answer.
            spans: positions that each question takes.
            pick: names the next token of each row of logits.
            limit: most tokens of an answer.

        Returns:
            The tokens of each answer, by question, and the operations spent.
        """
        step = self._step_of(plan.keys, list(firsts), limit)
        written: dict[int, list[int]] = {branch: [] for branch in firsts}
        nexts, flops = firsts, 0
        while nexts := self._continued(nexts, written, limit):
            moved = [plan.text_start + spans[b] + len(written[b]) - 1 for b in nexts]
            logits = step(nexts, torch.cat(moved, dim=1))
            flops += self.model.text_flops(len(nexts), len(plan.keys), logits=len(nexts))
            nexts = dict(zip(nexts, pick(logits), strict=True))
        return written, flops

    @torch.inference_mode()
    def copy_window(self, keys: Keys) -> WindowCopy:
        """Copies a window's keys and values out of the pool, for text behind it."""
        return WindowCopy(self.pool, keys, self.model.rotation)

    @torch.inference_mode()
    def follow(self, segment: Segment, start: Tensor, window: WindowCopy) -> Tensor:
        """Runs text behind a window and what followed it.

        Args:
            segment: the text.
            start: where it begins, int64 [axes, 1].
            window: what it sees; it is appended there.

        Returns:
            The logits at its last token, float32 [vocabulary], on the CPU.
        """
        upload = Upload(self._device)
        placed = replace(segment, positions=segment.positions + start)
        inputs, read = SegmentTensors(placed, upload), upload.add(np.array([len(segment) - 1]))
        upload.move()
        return self.model.logits(self._hidden(inputs, None, window, read.tensor))[0].cpu()

    def forget(self, stream: Stream) -> None:
        """Frees what the encoder remembers of a stream."""
        self._memories.pop(stream.key, None)

    def _continued(
        self, nexts: dict[int, int], written: dict[int, list[int]], limit: int
    ) -> dict[int, int]:
        """Adds the next tokens to what is written; returns those that are to be continued."""
        alive = {b: token for b, token in nexts.items() if token not in self.model.eos_ids}
        for branch, token in alive.items():
            written[branch].append(token)
        return {b: token for b, token in alive.items() if len(written[b]) < limit}

    def _step_of(self, keys: Keys, branches: Sequence[int], limit: int) -> Step:
        """Returns what runs one token of each answer."""
        upload = Upload(self._device)
        if not self._capture:
            found = Continuation(self.pool, keys, self.model.rotation, branches, limit, upload)
            upload.move()
            found.gather()
            return partial(self._next_logits, found)
        places = seen_by(keys, branches)
        view = KeyView(keys, self.model.rotation, upload)
        seen = {branch: upload.add(at) for branch, at in places.items()}
        upload.move()
        step = self._fixed_step(len(seen), max(map(len, places.values())) + limit)
        step.begin(self.pool, view, seen)
        return step.next_logits

    def _fixed_step(self, answers: int, keys: int) -> FixedStep:
        if self._fixed is None or not self._fixed.fits(answers, keys):
            # Its memory is free before a larger one takes some.
            self._fixed = None
            self._fixed = FixedStep(self.model, answers, keys)
        return self._fixed

    def _next_logits(
        self, continuation: Continuation, nexts: Mapping[int, int], positions: Tensor
    ) -> Tensor:
        continuation.turn_to(list(nexts))
        segment = replace(self.model.text(list(nexts.values())), positions=positions)
        upload = Upload(self._device)
        inputs = SegmentTensors(segment, upload)
        upload.move()
        return self.model.logits(self._hidden(inputs, None, continuation))

    def _compute_prompt(self) -> Prompt:
        segment = self.model.prompt()
        rows, none = self.pool.allocate(len(segment)), np.empty(0, np.int64)
        keys = Keys(rows, np.zeros(len(rows), np.int64), none)
        piece = Piece(segment, self.model.start(0), np.arange(len(rows)), rows)
        with torch.inference_mode():
            upload = Upload(self._device)
            step = self._paged(Pass((StreamPieces(keys, (piece,)),)), upload)
            upload.move()
            self._forward(*step)
        return Prompt(segment, rows)

    def _job(self, stream: Stream, frame: FrameInput) -> EncodeJob:
        memory = None
        if stream.hold:
            memory = self._memories.setdefault(stream.key, EncoderMemory())
        kept = torch.from_numpy(frame.keep.groups.reshape(-1))
        return EncodeJob(torch.from_numpy(frame.patches), kept, stream.geometry, memory)

    def _encode(self, batch: Batch, units: Uploaded) -> None:
        """Puts the features of what is new into the rows of its tokens."""
        pairs = list(zip(batch.plans, batch.encoded, strict=True))
        fresh = iter(self.encode([(p.stream, p.window) for p, known in pairs if known is None]))
        visuals = [
            visual
            for plan, known in pairs
            for visual in (islice(fresh, len(plan.encode)) if known is None else known)
        ]
        if len(units.tensor):
            self.pool.write_features(
                units.tensor,
                VisualTokens(
                    torch.cat([visual.embeds for visual in visuals]),
                    torch.cat([visual.deepstack for visual in visuals], dim=1),
                ),
            )

    def _paged(self, part: Pass, upload: Upload) -> tuple[PassTensors, Attention]:
        """Prepares a pass that computes keys and values into the pool."""
        inputs, (asking, reading) = PassTensors(part, self.pool, upload), self._tokens(part, upload)
        kernel = self._backend.plan(self.pool, asking, upload)
        last = self._backend.plan(self.pool, reading, upload) if reading else None
        return inputs, PagedAttention(self.pool, inputs.rows, kernel, last)

    def _probe(self, part: Pass, upload: Upload) -> tuple[PassTensors, KeyProbe]:
        """Prepares a pass that looks at fresh keys and writes nothing."""
        places = [(stream.keys, stream.places) for stream in part.streams]
        rows = concatenate([keys.rows[at] for keys, at in places])
        distances = concatenate([keys.distances[at] for keys, at in places])
        view = KeyView(Keys(rows, distances, rows[:0]), self.model.rotation, upload)
        asking, _ = self._tokens(part, upload)
        kernel = self._backend.plan(self.pool, asking, upload)
        return PassTensors(part, self.pool, upload), KeyProbe(self.pool, CHECK_LAYER, view, kernel)

    def _tokens(self, part: Pass, upload: Upload) -> tuple[list[StreamTokens], list[StreamTokens]]:
        """Returns each stream's tokens, and those of them that are read, of streams with any."""
        asking, reading, begin, asked = list[StreamTokens](), list[StreamTokens](), 0, 0
        for stream in part.streams:
            places, branches, read = stream.places, stream.branches, stream.read
            keys = StreamKeys(stream.keys, int(places[-1]) + 1, self.model.rotation, upload)
            asking.append(StreamTokens(begin, places, branches, keys, upload))
            if len(read):
                reading.append(StreamTokens(asked, places[read], branches[read], keys, upload))
            begin, asked = begin + len(places), asked + len(read)
        return asking, reading

    def _read(self, steps: list[tuple[PassTensors, Attention]]) -> Tensor:
        """Runs passes in order and empties the list: the hidden states that are read, of all."""
        found = []
        steps.reverse()
        while steps:
            # What attention holds of a pass, such as its masks, is freed before the next.
            found.append(self._forward(*steps.pop()))
        return torch.cat(found)

    def _forward(
        self, inputs: PassTensors, attention: Attention, until: int | None = None
    ) -> Tensor:
        """Runs a pass: the hidden states that are read."""
        found = inputs.features
        features = None if found is None else self.pool.features(found.tensor)
        return self._hidden(inputs.tokens, features, attention, inputs.read.tensor, until)

    def _hidden(
        self,
        tokens: SegmentTensors,
        features: VisualTokens | None,
        attention: Attention,
        read: Tensor | None = None,
        until: int | None = None,
    ) -> Tensor:
        return self.model.forward(
            self.model.embed(tokens.segment, features),
            tokens.segment.positions,
            tokens.visual_at,
            None if features is None else features.deepstack,
            attention,
            read=read,
            until=until,
        )

    @property
    def _device(self) -> torch.device:
        return self.pool.shape.device

    def _outputs(self, batch: Batch, logits: Sequence[Tensor], clock: StageClock) -> list[Output]:
        patches = sum(plan.patches for plan in batch.plans) or 1
        tokens = sum(plan.tokens for plan in batch.plans) or 1
        return [
            Output(part, self._flops(plan), clock, plan.patches / patches, plan.tokens / tokens)
            for plan, part in zip(batch.plans, logits, strict=True)
        ]

    def _flops(self, plan: Plan) -> int:
        group = plan.stream.geometry.grid.merge**2
        shown = {patch.ticks: patch.shown for patch in plan.state.patches}
        patches = [frame.encoded * group for frame in plan.window.frames]
        seen = [max(f.encoded, int(shown[f.ticks].sum())) * group for f in plan.window.frames]
        language = self.model.text_flops(
            plan.tokens, len(plan.keys), logits=plan.asked, read=plan.asked
        )
        return self.model.vision_flops(patches, seen) + language
