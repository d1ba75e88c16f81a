"""One stream under watch: its ingest, its state, its questions, and what is said of a window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from time import monotonic, perf_counter

import torch
from torch import Tensor

from costream.control import Move
from costream.engine.batch import Batch
from costream.engine.ingest import Ingest, ReadingCost, WindowInput
from costream.engine.overlap import Overlap
from costream.engine.plan import Plan, Stream
from costream.engine.questions import Questions
from costream.engine.refresh import REFRESH, RefreshPolicy, RefreshSettings
from costream.engine.result import FlopCount, Result, StageSeconds, TokenCount, iso_time
from costream.engine.runner import ModelRunner, Output
from costream.engine.schedule import Schedule, Window
from costream.engine.stream_state import StreamState
from costream.engine.view import GridView
from costream.errors import IntegrityError
from costream.models import FrameGeometry, VisualTokens
from costream.pruning import PRUNERS, Pruner
from costream.settings import EngineSettings
from costream.video import StreamInfo

_KEYS = count()


class Watch:
    """A stream and its questions. The thread of its engine uses it.

    Args:
        info: what is known of the stream.
        ingest: reads it, where this process does.
        geometry: how its pictures are cut.
        view: masks and zones on its groups.
        schedule: window and stride.
        pruner: the stream's pruner, whose threshold can be set while it runs. Where another process
            reads the stream it decides nothing and only looks at features, if its rule does.
        questions: what is asked of every window.
        refresh: what is recomputed when the window slides.
        runner: the engine's.
        settings: the engine's.

    Attributes:
        keeps_whole: whether a window stays whole until the next one is planned or there is need of
            its rows, so that all of it can be asked about; else what leaves with the next one is
            freed when it is answered.
        observers: told of every window once it is answered, while all of it is there, in order.
        recompute_every: windows after which all keys and values are recomputed, or None for never.
        point: the operating point, as results tell it.
    """

    def __init__(
        self,
        info: StreamInfo,
        ingest: Ingest | None,
        geometry: FrameGeometry,
        view: GridView,
        schedule: Schedule,
        pruner: Pruner,
        questions: Questions,
        refresh: RefreshPolicy,
        runner: ModelRunner,
        settings: EngineSettings,
    ) -> None:
        self.info = info
        self.questions = questions
        self.keeps_whole = False
        self.observers: list[Callable[[Plan, Result], None]] = []
        self.recompute_every: int | None = None
        self.point = ""
        self._moves: list[Move] = []
        self._since_rebase = 0
        # A window that grows recomputes nothing for as long as it fits the model's context.
        spare = runner.model.context if schedule.grows else 0
        self._ingest = ingest
        self.stream = Stream(
            next(_KEYS),
            runner.model,
            geometry,
            schedule,
            runner.prompt,
            settings.hold,
            settings.rebase_after + spare,
            view,
        )
        self.state = StreamState(self.stream, runner.pool)
        self.pruner = pruner
        self._refresh = refresh
        self._runner = runner
        self._settings = settings
        self._received: float | None = None
        self._asked_since: int | None = None
        # A window that has to wait for room in the pool is planned again, and not encoded again.
        self._looked: tuple[WindowInput, list[VisualTokens]] | None = None
        self._survey_flops = 0
        self._plan_seconds = 0.0

    def ask(self, questions: Questions) -> None:
        """Replaces the questions from the next window on that is planned.

        Tokens of the video never see a question, so that all of them stay as they are.
        """
        before = [ask.key for ask in self.questions.asks]
        if before != [ask.key for ask in questions.asks]:
            self._asked_since = None
        self.questions = questions

    @property
    def ingest(self) -> Ingest:
        """What reads the stream in this process."""
        if self._ingest is None:
            raise IntegrityError("another process reads this stream")
        return self._ingest

    def step(self, window: Window, reading: ReadingCost | None = None) -> Result:
        """Moves the window and answers the questions on it, with nothing else in the batch.

        Args:
            window: the next position, with the frames that are new in it.
            reading: what it cost to get it.
        """
        plan, output = self.run(self.ingest.prepare(window, reading))
        return self.commit(plan, output)

    def run(self, window: WindowInput) -> tuple[Plan, Output]:
        """Plans a window and runs it, with nothing else in the batch."""
        window, encoded = self.look(window)
        plan = self.plan(window)
        (output,) = self._runner.run(Batch([plan], [encoded]))
        return plan, output

    def look(self, window: WindowInput) -> tuple[WindowInput, list[VisualTokens] | None]:
        """Encodes a window before it is planned, where the pruner wants to see features.

        Returns:
            The window with what is left, and its features; None where they are not there yet.
        """
        if not self.pruner.after_vision:
            return window, None
        if self._looked is None:
            self._looked = self._look(window)
        return self._looked

    def plan(self, window: WindowInput) -> Plan:
        """Plans a window.

        Raises:
            PoolExhaustedError: the pool has too few rows for it.
        """
        begun, self._survey_flops = perf_counter(), 0

        def select(overlap: Overlap) -> Tensor:
            if not self._refresh.looks:
                return self._refresh.select(overlap, None)
            survey = self.state.survey(window)
            self._survey_flops = self._runner.survey_flops(survey)
            return self._refresh.select(overlap, self._runner.deviations(survey))

        if self.recompute_every is not None and self._since_rebase + 1 >= self.recompute_every:
            self.state.rebase_next = True
        plan = self.state.plan(
            window,
            self.questions,
            select,
            exact=self._refresh.rebase,
            lead=self._refresh.lead,
        )
        self._plan_seconds = perf_counter() - begun
        return plan

    def commit(self, plan: Plan, output: Output) -> Result:
        """Writes what is wanted in words, moves on to the window and says what came of it."""
        scores = self.questions.scores(output.logits)
        begun = perf_counter()
        chosen = [n for n, score in enumerate(scores) if self._wants_text(score)]
        written = self._write(plan, output, chosen) if chosen else {}
        seconds = StageSeconds(
            decode=plan.window.reading.seconds,
            prune=plan.window.prune_seconds,
            vision=output.vision_seconds,
            prefill=self._plan_seconds + output.prefill_seconds,
            generate=perf_counter() - begun,
        )
        self.state.commit(plan)
        self._looked = None
        self._received = plan.window.received or self._received
        result = self._result(plan, output, scores, written, seconds)
        self._since_rebase = 0 if plan.rebased else self._since_rebase + 1
        for observer in list(self.observers):
            observer(plan, result)
        schedule = self.stream.schedule
        # Of a window that grows it may be the last, which is kept whole.
        if not schedule.grows:
            self.state.retire(schedule.next_start(plan.window.index, plan.window.start))
        if not self.keeps_whole:
            self.state.free_retired()
        return result

    def move(self, move: Move) -> None:
        """Goes to another operating point, which the next result tells of."""
        self.point, self.recompute_every = str(move.after), move.after.recompute_every
        self._moves.append(move)

    def recomputing(self, questions: Questions, state: StreamState | None = None) -> Watch:
        """Returns a watch of the same stream that prunes and reuses nothing.

        It is handed whole windows, writes nothing in words, and has a state and a memory of its
        own: the stream goes on meanwhile.

        Args:
            questions: what it asks.
            state: what it holds, which is its own from then on; nothing where not given.
        """
        stream = self.stream
        other = Watch(
            self.info,
            None,
            stream.geometry,
            stream.view,
            stream.schedule,
            PRUNERS["none"](stream.geometry.grid, self.pruner.settings),
            questions,
            REFRESH["full"](RefreshSettings()),
            self._runner,
            self._settings.model_copy(update={"text": False, "text_above": None}),
        )
        if state is not None:
            state.stream = other.stream
            other.state = state
        return other

    @property
    def resident(self) -> bool:
        """Whether the pool holds anything of it."""
        return self.state.resident

    def close(self) -> None:
        """Frees what the stream has of the pool and of the encoder's memory."""
        self.state.close()
        self._runner.forget(self.stream)

    def _look(self, window: WindowInput) -> tuple[WindowInput, list[VisualTokens]]:
        visuals = self._runner.encode([(self.stream, window)])
        keeps = [frame.keep for frame in window.frames]
        features = [visual.embeds.float().cpu().numpy() for visual in visuals]
        frames, left = [], []
        for frame, after, visual in zip(
            window.frames, self.pruner.thin(keeps, features), visuals, strict=True
        ):
            frames.append(replace(frame, keep=after))
            left.append(visual.take(torch.from_numpy(after.groups[frame.keep.groups])))
        return replace(window, frames=tuple(frames)), left

    def _write(self, plan: Plan, output: Output, chosen: Sequence[int]) -> dict[int, list[int]]:
        pick = self.questions.likeliest
        firsts = dict(zip(chosen, pick(output.logits[list(chosen)]), strict=True))
        limit = self._settings.max_text_tokens
        written, flops = self._runner.write(plan, firsts, self.questions.spans, pick, limit)
        output.flops += flops
        return written

    def _wants_text(self, score: float) -> bool:
        above = self._settings.text_above
        return self._settings.text or (above is not None and score >= above)

    def _result(
        self,
        plan: Plan,
        output: Output,
        scores: Sequence[float],
        written: dict[int, list[int]],
        seconds: StageSeconds,
    ) -> Result:
        patches, fps, window = plan.state.patches, self.stream.schedule.fps, plan.window
        if self._asked_since is None:
            self._asked_since = window.index
        moves, self._moves = tuple(self._moves), []
        texts = {number: self._runner.model.decode(ids) for number, ids in written.items()}
        return Result(
            stream=self.info.source,
            index=window.index,
            start=window.start / fps,
            end=window.end / fps,
            answers=self.questions.answers(scores, texts),
            asked_since=self._asked_since,
            frames=sum(p.frames for p in patches),
            anchors=sum(p.frames for p in patches if p.anchor),
            damaged=sum(p.damaged for p in patches),
            motion=self.info.motion,
            decoding=window.reading.decoding,
            tokens=_count_tokens(plan),
            flops=FlopCount(
                full=self._full_flops(sum(map(len, written.values()))),
                spent=output.flops + self._survey_flops,
                asking=self._asking_flops(plan),
            ),
            seconds=seconds,
            wall=None if self._received is None else iso_time(self._received),
            lag=None if self._received is None else monotonic() - self._received,
            rows=self.state.rows,
            rebased=plan.rebased,
            point=self.point,
            moves=moves,
        )

    def _asking_flops(self, plan: Plan) -> int:
        """What the questions' own tokens cost in the pass that answered them."""
        tokens, asks = self.questions.tokens, len(self.questions.asks)
        model = self._runner.model
        return model.text_flops(tokens, len(plan.keys), logits=asks, read=asks)

    def _full_flops(self, written: int) -> int:
        """What the window costs from nothing: all that no mask hides, and the same answers."""
        model, merge = self._runner.model, self.stream.geometry.grid.merge
        patches = [self.stream.view.groups * merge**2] * len(self.state.window.patches)
        tokens = self.state.full_tokens + self.questions.tokens
        asks = len(self.questions.asks)
        prefill = model.text_flops(tokens, tokens, logits=asks, read=asks)
        writing = model.text_flops(written, tokens, logits=written)
        return model.vision_flops(patches, patches) + prefill + writing


def _count_tokens(plan: Plan) -> TokenCount:
    patches = plan.state.patches
    kept = sum(patch.keep.kept for patch in patches)
    carried = sum(int(patch.carried.sum()) for patch in patches)
    prefilled = sum(piece.visual_tokens for piece in plan.pieces)
    return TokenCount(
        full=len(patches) * plan.stream.view.groups,
        encoded=sum(frame.encoded for frame in plan.window.frames),
        kept=kept,
        carried=carried,
        prefilled=prefilled,
        referring=plan.referring,
        reused=kept + carried - prefilled - plan.referring,
    )
