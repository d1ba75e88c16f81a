"""One stream under watch: the body of the engine's main loop."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from costream.engine.questions import Questions
from costream.engine.refresh import RefreshPolicy
from costream.engine.resident import Resident
from costream.engine.schedule import Window
from costream.engine.session import Session
from costream.engine.verdict import Answer, FlopCount, StageSeconds, TokenCount, Verdict
from costream.settings import EngineSettings
from costream.video import StreamInfo


class Watch:
    """A stream, its session and its questions. One thread uses it.

    Args:
        info: what is known of the stream.
        session: its state.
        questions: what is asked of every window.
        refresh: what is recomputed when the window slides.
        settings: the engine's.
    """

    def __init__(
        self,
        info: StreamInfo,
        session: Session,
        questions: Questions,
        refresh: RefreshPolicy,
        settings: EngineSettings,
    ) -> None:
        self.info = info
        self.session = session
        self.questions = questions
        self._refresh = refresh
        self._settings = settings

    @torch.inference_mode()
    def step(self, window: Window, decoding: float = 0.0) -> Verdict:
        """Moves the window and answers the questions on it.

        Args:
            window: the next position, with the frames that are new in it.
            decoding: seconds spent on getting it.
        """
        session, questions = self.session, self.questions
        seconds = StageSeconds(decode=decoding)

        with seconds.measure("vision"):
            arrivals = session.encode(window.arrivals)

        with seconds.measure("prefill"):
            logits, computed = self.prefill(window, arrivals)
            scores = questions.scores(logits)

        with seconds.measure("generate"):
            chosen = [n for n, score in enumerate(scores) if self._wants_text(score)]
            limit = self._settings.max_text_tokens
            written = questions.write(session, logits, chosen, limit) if chosen else {}

        session.release()
        return self._verdict(window, computed, scores, written, seconds)

    def prefill(
        self, window: Window, arrivals: Sequence[Resident]
    ) -> tuple[Tensor, list[Resident]]:
        """Moves the window and runs what is new in it, what is refreshed, and the questions.

        Returns:
            The logits at each question's first answer token, [questions, vocabulary], and the
            residents that were computed. The questions stay in the store until it is released.
        """
        overlap = self.session.slide(window, arrivals)
        computed = [*self._choose(overlap, window), *arrivals]
        return self.questions.ask(self.session, self.session.pieces(computed)), computed

    def _choose(self, overlap: Sequence[Resident], window: Window) -> Sequence[Resident]:
        """Returns what of the overlap is recomputed; all of it where a new epoch begins."""
        if self._refresh.rebase or self.session.epoch_is_over or not overlap:
            self.session.rebase()
            return overlap
        return self._refresh.select(overlap, window.start)

    def _wants_text(self, score: float) -> bool:
        above = self._settings.text_above
        return self._settings.text or (above is not None and score >= above)

    def _verdict(
        self,
        window: Window,
        computed: Sequence[Resident],
        scores: Sequence[float],
        written: dict[int, list[int]],
        seconds: StageSeconds,
    ) -> Verdict:
        residents, fps = self.session.residents, self._settings.fps
        return Verdict(
            stream=self.info.source,
            index=window.index,
            start=window.start / fps,
            end=window.end / fps,
            answers=self._answers(scores, written),
            frames=sum(r.frames for r in residents),
            anchors=sum(r.frames for r in residents if r.anchor),
            damaged=sum(r.damaged for r in residents),
            motion=self.info.motion,
            tokens=self._count_tokens(computed),
            flops=FlopCount(
                full=self._full_flops(sum(map(len, written.values()))),
                spent=self.session.meter.take(),
            ),
            seconds=seconds,
        )

    def _answers(
        self, scores: Sequence[float], written: dict[int, list[int]]
    ) -> tuple[Answer, ...]:
        decode = self.session.model.tokenizer.decode
        texts = {n: str(decode(ids)).strip() for n, ids in written.items()}
        return tuple(
            Answer(ask, score, texts.get(n))
            for n, (ask, score) in enumerate(zip(self.questions.asks, scores, strict=True))
        )

    def _count_tokens(self, computed: Sequence[Resident]) -> TokenCount:
        residents, grid = self.session.residents, self.session.geometry.grid
        kept = sum(len(r.visual) for r in residents)
        prefilled = sum(len(r.visual) for r in computed)
        full = len(residents) * grid.groups
        return TokenCount(full=full, kept=kept, prefilled=prefilled, reused=kept - prefilled)

    def _full_flops(self, written: int) -> int:
        """What the window costs from nothing: all patches, all tokens, the same answers."""
        session, model = self.session, self.session.model
        grid = session.geometry.grid
        patches = [grid.rows * grid.cols] * len(session.residents)
        tokens = session.full_tokens + self.questions.tokens
        prefill = model.text_flops(tokens, tokens, logits=len(self.questions.asks))
        writing = model.text_flops(written, tokens, logits=written)
        return model.vision_flops(patches) + prefill + writing
