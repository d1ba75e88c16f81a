"""The model runner: the only place that touches the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from costream.engine.attention import (
    KeyProbe,
    KeyView,
    PagedAttention,
    StreamQueries,
    blocks_of,
    view_of,
)
from costream.engine.batch import Batch, Pass, StreamPieces, passes_of
from costream.engine.continuation import Continuation
from costream.engine.ingest import FrameInput, WindowInput
from costream.engine.kv_pool import KVPool
from costream.engine.page_table import Ints
from costream.engine.plan import Keys, Piece, Plan, Prompt, Stream, Survey, concatenate
from costream.engine.refresh import CHECK_LAYER
from costream.engine.row_shape import RowShape
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


@dataclass(slots=True)
class Output:
    """What came of a plan.

    Attributes:
        logits: [questions, vocabulary], at each question's first answer token, on the device.
        flops: operations that were run for it.
        vision_seconds: its share of the encoder's time, by patches.
        prefill_seconds: its share of the language model's, by tokens.
    """

    logits: Tensor
    flops: int
    vision_seconds: float
    prefill_seconds: float


class ModelRunner:
    """Runs plans on one model, and owns what lies on its device: pool and encoder memories.

    Args:
        model: the model.
        chunk: most tokens that go through the language model together; bounds memory, not results.
        kv_memory: bytes of the pool; None for as many as it needs.
        packed: store keys and values in 8 bits.
    """

    def __init__(
        self,
        model: ModelAdapter,
        chunk: int,
        kv_memory: int | None = None,
        *,
        packed: bool = False,
    ) -> None:
        self.model = model
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
        begun = perf_counter()
        self._encode(batch)
        between = perf_counter()
        hidden = torch.cat([self._compute(part) for part in batch.passes(self._chunk)])
        ends = [torch.from_numpy(ends).to(hidden.device) for ends in batch.ends]
        logits = self.model.logits(hidden.index_select(0, torch.cat(ends)))
        parts = torch.split(logits, [len(end) for end in ends])
        return self._outputs(batch, parts, between - begun, perf_counter() - between)

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
        found = []
        for part in passes_of([(survey.keys, survey.pieces)], self._chunk):
            places = [self._placed(stream.places) for stream in part.streams]
            probe = KeyProbe(self.pool, CHECK_LAYER, places, self._queries(part))
            self._forward(part, probe, until=CHECK_LAYER)
            found.append(probe.deviations)
        return torch.cat(found)

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
        view = self._view(plan.keys)
        continuation = Continuation(self.pool, view, plan.keys, list(firsts), limit)
        written: dict[int, list[int]] = {branch: [] for branch in firsts}
        nexts, flops = firsts, 0
        while nexts := self._continued(nexts, written, limit):
            continuation.turn_to(list(nexts))
            logits = self._next_logits(plan, nexts, written, spans, continuation)
            flops += self.model.text_flops(len(nexts), len(plan.keys), logits=len(nexts))
            nexts = dict(zip(nexts, pick(logits), strict=True))
        return written, flops

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

    def _next_logits(
        self,
        plan: Plan,
        nexts: dict[int, int],
        written: dict[int, list[int]],
        spans: Sequence[int],
        attention: Attention,
    ) -> Tensor:
        segment = self.model.text(list(nexts.values()))
        moved = [plan.text_start + spans[b] + len(written[b]) - 1 for b in nexts]
        hidden = self.model.forward(
            self.model.embed(segment, None),
            torch.cat(moved, dim=1).to(self.pool.shape.device),
            segment.visual.to(self.pool.shape.device),
            None,
            attention,
        )
        return self.model.logits(hidden)

    def _compute_prompt(self) -> Prompt:
        segment = self.model.prompt()
        rows, none = self.pool.allocate(len(segment)), np.empty(0, np.int64)
        keys = Keys(rows, np.zeros(len(rows), np.int64), none)
        piece = Piece(segment, self.model.start(0), np.arange(len(rows)), rows)
        with torch.inference_mode():
            self._compute(Pass((StreamPieces(keys, (piece,)),)))
        return Prompt(segment, rows)

    def _job(self, stream: Stream, frame: FrameInput) -> EncodeJob:
        memory = None
        if stream.hold:
            memory = self._memories.setdefault(stream.key, EncoderMemory())
        kept = torch.from_numpy(frame.keep.groups.reshape(-1))
        return EncodeJob(torch.from_numpy(frame.patches), kept, stream.geometry, memory)

    def _encode(self, batch: Batch) -> None:
        """Puts the features of what is new into the rows of its tokens."""
        waiting = [
            plan
            for plan, encoded in zip(batch.plans, batch.encoded, strict=True)
            if encoded is None
        ]
        visuals = self.encode([(plan.stream, plan.window) for plan in waiting])
        rows = [rows for plan in waiting for rows in plan.encode]
        for plan, encoded in zip(batch.plans, batch.encoded, strict=True):
            if encoded is not None:
                visuals, rows = [*visuals, *encoded], [*rows, *plan.encode]
        if any(map(len, rows)):
            self.pool.write_features(
                concatenate(rows),
                VisualTokens(
                    torch.cat([visual.embeds for visual in visuals]),
                    torch.cat([visual.deepstack for visual in visuals], dim=1),
                ),
            )

    def _compute(self, part: Pass) -> Tensor:
        """Computes keys and values of a pass into the pool: its last hidden states."""
        rows = self._placed(part.rows)
        return self._forward(part, PagedAttention(self.pool, rows, self._queries(part)))

    def _forward(self, part: Pass, attention: Attention, until: int | None = None) -> Tensor:
        device, visual = self.pool.shape.device, part.visual
        embeds, deepstack = self._embed(part, visual)
        return self.model.forward(
            embeds, part.positions.to(device), visual.to(device), deepstack, attention, until=until
        )

    def _embed(self, part: Pass, visual: Tensor) -> tuple[Tensor, Tensor | None]:
        """Returns input embeddings and DeepStack features."""
        segment, rows = Segment(part.ids, visual, part.positions, span=0), part.visual_rows
        if not len(rows):
            return self.model.embed(segment, None), None
        features = self.pool.features(rows)
        return self.model.embed(segment, features), features.deepstack

    def _queries(self, part: Pass) -> list[StreamQueries]:
        found, begin, shape = [], 0, self.pool.shape
        for stream in part.streams:
            places = stream.places
            view = self._view(stream.keys).up_to(int(places[-1]) + 1)
            blocks = blocks_of(
                begin, places, stream.branches, stream.keys, shape.dtype, shape.device
            )
            found.append(StreamQueries(view, blocks))
            begin += len(places)
        return found

    def _view(self, keys: Keys) -> KeyView:
        return view_of(keys, self.model.rotation, self.pool.shape.device)

    def _placed(self, array: Ints) -> Tensor:
        return torch.from_numpy(array).to(self.pool.shape.device)

    def _outputs(
        self, batch: Batch, logits: Sequence[Tensor], vision: float, prefill: float
    ) -> list[Output]:
        patches = sum(plan.patches for plan in batch.plans) or 1
        tokens = sum(plan.tokens for plan in batch.plans) or 1
        return [
            Output(
                part,
                self._flops(plan),
                vision * plan.patches / patches,
                prefill * plan.tokens / tokens,
            )
            for plan, part in zip(batch.plans, logits, strict=True)
        ]

    def _flops(self, plan: Plan) -> int:
        group = plan.stream.geometry.grid.merge**2
        shown = {patch.ticks: patch.shown for patch in plan.state.patches}
        patches = [frame.encoded * group for frame in plan.window.frames]
        seen = [max(f.encoded, int(shown[f.ticks].sum())) * group for f in plan.window.frames]
        language = self.model.text_flops(plan.tokens, len(plan.keys), logits=len(plan.ends))
        return self.model.vision_flops(patches, seen) + language
