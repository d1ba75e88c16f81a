"""One stream under watch: the body of the engine's main loop."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from torch import Tensor

from costream.engine.prefill import Piece
from costream.engine.questions import Questions
from costream.engine.refresh import RefreshPolicy
from costream.engine.resident import Resident
from costream.engine.schedule import Window
from costream.engine.session import Session
from costream.engine.verdict import FlopCount, StageSeconds, TokenCount, Verdict, iso_time
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
        self._received: float | None = None

    def step(self, window: Window, decoding: float = 0.0) -> Verdict:
        """Moves the window and answers the questions on it.

        Args:
            window: the next position, with the frames that are new in it.
            decoding: seconds spent on getting it.
        """
        session, questions = self.session, self.questions
        window = window.last(session.schedule.recent)
        self._received = window.received or self._received
        seconds = StageSeconds(decode=decoding)

        with seconds.measure("vision"):
            arrivals = session.encode(window.arrivals)

        with seconds.measure("prefill"):
            logits, pieces = self.prefill(window, arrivals)
            scores = questions.scores(logits)

        with seconds.measure("generate"):
            chosen = [n for n, score in enumerate(scores) if self._wants_text(score)]
            limit = self._settings.max_text_tokens
            written = questions.write(session, logits, chosen, limit) if chosen else {}

        session.release()
        tokens = self._count_tokens(arrivals, pieces)
        return self._verdict(window, tokens, scores, written, seconds)

    def prefill(self, window: Window, arrivals: Sequence[Resident]) -> tuple[Tensor, list[Piece]]:
        """Moves the window and runs what is new in it, what is refreshed, and the questions.

        Returns:
            The logits at each question's first answer token, [questions, vocabulary], and the
            pieces that were computed. The questions stay in the store until it is released.
        """
        session = self.session
        residents = session.slide(window, arrivals)
        anew = self._refresh.rebase or session.epoch_is_over or not residents
        if anew:
            session.rebase()
        # Reserving may move all slots, so it comes before any piece is made.
        slot = session.reserve(self.questions.tokens)
        overlap = session.overlap(residents, window.start)
        refreshed = overlap.pieces if anew else overlap.take(self._refresh.select(overlap))
        exact = self._refresh.rebase
        new = session.pieces(arrivals) if exact else session.arriving(residents, arrivals)
        pieces = [*refreshed, *new]
        return self.questions.ask(session, slot, pieces), pieces

    def _wants_text(self, score: float) -> bool:
        above = self._settings.text_above
        return self._settings.text or (above is not None and score >= above)

    def _verdict(
        self,
        window: Window,
        tokens: TokenCount,
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
            answers=self.questions.answers(scores, self._texts(written)),
            frames=sum(r.frames for r in residents),
            anchors=sum(r.frames for r in residents if r.anchor),
            damaged=sum(r.damaged for r in residents),
            motion=self.info.motion,
            tokens=tokens,
            flops=FlopCount(
                full=self._full_flops(sum(map(len, written.values()))),
                spent=self.session.meter.take(),
                asking=self._asking_flops(),
            ),
            seconds=seconds,
            wall=None if self._received is None else iso_time(self._received),
            lag=None if self._received is None else monotonic() - self._received,
        )

    def _texts(self, written: dict[int, list[int]]) -> dict[int, str]:
        return {number: self.session.model.decode(ids) for number, ids in written.items()}

    def _count_tokens(self, arrivals: Sequence[Resident], computed: Sequence[Piece]) -> TokenCount:
        residents, grid = self.session.residents, self.session.geometry.grid
        kept = sum(r.keep.kept for r in residents)
        held = sum(int(r.held.sum()) for r in residents)
        prefilled = sum(piece.visual_tokens for piece in computed)
        copied = sum(len(piece.copies) for piece in computed if piece.copies)
        return TokenCount(
            full=len(residents) * grid.groups,
            encoded=sum(r.encoded for r in arrivals),
            kept=kept,
            held=held,
            prefilled=prefilled,
            copied=copied,
            reused=kept + held - prefilled - copied,
        )

    def _asking_flops(self) -> int:
        """What the questions' own tokens cost in the pass that answered them."""
        store, tokens = self.session.store, self.questions.tokens
        keys = store.end - store.first + tokens
        return self.session.model.text_flops(tokens, keys, logits=len(self.questions.asks))

    def _full_flops(self, written: int) -> int:
        """What the window costs from nothing: all patches, all tokens, the same answers."""
        session, model = self.session, self.session.model
        grid = session.geometry.grid
        patches = [grid.rows * grid.cols] * len(session.residents)
        tokens = session.full_tokens + self.questions.tokens
        prefill = model.text_flops(tokens, tokens, logits=len(self.questions.asks))
        writing = model.text_flops(written, tokens, logits=written)
        return model.vision_flops(patches, patches) + prefill + writing
