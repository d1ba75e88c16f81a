"""The engine: a stream and questions in, a verdict for each position of the window out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import thread_time
from typing import Any

import torch

from costream.engine.questions import Questions
from costream.engine.refresh import REFRESH, RefreshPolicy
from costream.engine.resident import Resident
from costream.engine.schedule import Schedule, Window
from costream.engine.session import Session
from costream.engine.verdict import Answer, FlopCount, StageSeconds, TokenCount, Verdict
from costream.models import EMBEDDED_MODEL, ModelAdapter, load_model
from costream.pruning import PRUNERS, PrunerSettings
from costream.settings import EngineSettings
from costream.video import Stream


class Engine:
    """Watches streams with one model. Streams watched at the same time need a thread each.

    Args:
        model: the loaded model.
        settings: how streams are watched.

    Raises:
        SettingsError: a name is unknown, or window and stride don't fit the model.
    """

    def __init__(self, model: ModelAdapter, settings: EngineSettings | None = None) -> None:
        self.model = model
        self.settings = settings or EngineSettings()
        self.schedule = Schedule.from_seconds(
            self.settings.fps, self.settings.window, self.settings.stride, model.temporal_patch
        )
        self._pruner = PRUNERS[self.settings.pruner]
        self._refresh: RefreshPolicy = REFRESH[self.settings.refresh]()

    @classmethod
    def from_pretrained(
        cls,
        name: str = EMBEDDED_MODEL,
        *,
        device: str | None = None,
        dtype: torch.dtype | None = None,
        **settings: Any,
    ) -> Engine:
        """Loads a model by hub name or directory, or the embedded ``costream/tiny``.

        Args:
            name: what to load.
            device: a torch device; the first GPU where there is one, else the CPU.
            dtype: of weights and cache; by default bfloat16 on a GPU and float32 on a CPU.
            **settings: fields of :class:`EngineSettings`.

        Raises:
            SettingsError: a setting is wrong.
            ModelError: the model can't be had.
        """
        checked = EngineSettings.checked(**settings)
        return cls(load_model(name, device=device, dtype=dtype), checked)

    def watch(self, stream: Stream, ask: Sequence[str]) -> Iterator[Verdict]:
        """Yields a verdict for each position of the window, until the stream ends.

        Args:
            stream: what to watch. The caller closes it.
            ask: questions whose answer is yes or no.

        Raises:
            SettingsError: there is no question, or one is empty.
            SourceError: the stream can't be read.
        """
        questions = Questions(self.model, ask)
        session = self._open(stream)
        windows = self.schedule.windows(stream.samples(self.settings.fps))
        for window, decoding in timed(windows):
            yield self.step(session, window, questions, stream, decoding)

    def step(
        self,
        session: Session,
        window: Window,
        questions: Questions,
        stream: Stream,
        decoding: float = 0.0,
    ) -> Verdict:
        """Moves a session's window and answers the questions on it: the main loop's body."""
        seconds = StageSeconds(decode=decoding)
        with seconds.measure("vision"):
            arrivals, vision_flops = session.encode(window.arrivals)
        with seconds.measure("prefill"):
            overlap = session.slide(window, arrivals)
            if self._refresh.rebase or session.epoch_is_over or not overlap:
                session.rebase()
                refreshed = overlap
            else:
                refreshed = self._refresh.select(overlap, window.start)
            computed = [*refreshed, *arrivals]
            logits, prefill_flops = questions.ask(session, session.pieces(computed))
            scores = questions.scores(logits)
        with seconds.measure("generate"):
            chosen = [n for n, score in enumerate(scores) if self._wants_text(score)]
            texts, written, text_flops = questions.write(
                session, logits, chosen, self.settings.max_text_tokens
            )
        session.release()
        return Verdict(
            stream=stream.info.source,
            index=window.index,
            start=window.start / self.settings.fps,
            end=window.end / self.settings.fps,
            answers=tuple(
                Answer(ask, score, texts.get(n))
                for n, (ask, score) in enumerate(zip(questions.asks, scores, strict=True))
            ),
            frames=sum(r.frames for r in session.residents),
            anchors=sum(r.frames for r in session.residents if r.anchor),
            damaged=sum(r.damaged for r in session.residents),
            motion=stream.info.motion,
            tokens=self._count_tokens(session, computed),
            flops=FlopCount(
                full=self._full_flops(session, questions.tokens, len(questions.asks), written),
                spent=vision_flops + prefill_flops + text_flops,
            ),
            seconds=seconds,
        )

    def _open(self, stream: Stream) -> Session:
        geometry = self.model.geometry(
            stream.info.width, stream.info.height, self.schedule.window, self.settings.frame_size
        )
        return Session(
            self.model,
            geometry,
            self._pruner(geometry.grid, self._pruner_settings()),
            self.schedule,
            epoch=self.settings.epoch,
            chunk=self.settings.chunk,
        )

    def _pruner_settings(self) -> PrunerSettings:
        seconds = self.settings.anchor_every
        every = self.schedule.window if seconds is None else round(seconds * self.settings.fps)
        return PrunerSettings(
            anchor_every=max(1, min(every, self.schedule.window)),
            keep=self.settings.keep,
            seed=self.settings.seed,
        )

    def _wants_text(self, score: float) -> bool:
        above = self.settings.text_above
        return self.settings.text or (above is not None and score >= above)

    def _count_tokens(self, session: Session, computed: Sequence[Resident]) -> TokenCount:
        kept = sum(len(r.visual) for r in session.residents)
        prefilled = sum(len(r.visual) for r in computed)
        full = len(session.residents) * session.geometry.grid.groups
        return TokenCount(full=full, kept=kept, prefilled=prefilled, reused=kept - prefilled)

    def _full_flops(
        self, session: Session, question_tokens: int, questions: int, written: int
    ) -> int:
        """What the window costs from nothing: all patches, all tokens, the same answers."""
        grid, model = session.geometry.grid, self.model
        patches = [grid.rows * grid.cols] * len(session.residents)
        tokens = session.full_tokens + question_tokens
        prefill = model.text_flops(tokens, tokens, logits=questions)
        writing = model.text_flops(written, tokens, logits=written)
        return model.vision_flops(patches) + prefill + writing


def timed(windows: Iterator[Window]) -> Iterator[tuple[Window, float]]:
    """Adds to each item the processor time that this thread spent on getting it."""
    while True:
        begun = thread_time()
        item = next(windows, None)
        if item is None:
            return
        yield item, thread_time() - begun
