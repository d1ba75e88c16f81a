"""What the engine says about one window, and what it cost to say it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from math import isnan
from time import monotonic, time
from typing import Any, Literal

from costream.control import Move
from costream.video import DecodeCount

Decision = Literal["yes", "no"]

ConfirmationOutcome = Literal["upheld", "refuted", "missed"]
"""What becomes of an answer that turns to yes: full recomputation reaches the same level, or does
not, or could not be run."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question.

    Attributes:
        ask: the question.
        score: probability of yes against no at the answer's first token, 0..1, as
            ``EngineSettings.calibrated`` has it. Not a number where the model's output was none.
        text: the written answer, or None where none was asked for, or a yes that was written was
            not confirmed.
        threshold: score from which on it is a yes.
        calibrated: whether a calibration names the question, so that the score is not the model's
            own probability.
        zone: name of the zone that the question was asked about, or None for the whole picture.
    """

    ask: str
    score: float
    text: str | None = None
    threshold: float = 0.5
    calibrated: bool = False
    zone: str | None = None

    @property
    def decision(self) -> Decision | None:
        """``yes`` from the threshold on, else ``no``; None where the score is not a number."""
        if isnan(self.score):
            return None
        return "yes" if self.score >= self.threshold else "no"

    def to_dict(self) -> dict[str, Any]:
        """Returns the answer as JSON-ready values; a score that is not a number is None."""
        return {
            "ask": self.ask,
            "decision": self.decision,
            "score": None if isnan(self.score) else self.score,
            "threshold": self.threshold,
            "calibrated": self.calibrated,
            "text": self.text,
            "zone": self.zone,
        }


@dataclass(frozen=True, slots=True)
class TokenCount:
    """Visual tokens of a window; ``prefilled + referring + reused == kept + carried``.

    Attributes:
        full: those of all its frames, unpruned; without masked ones, which nothing could keep.
        encoded: those that came out of the vision encoder for this window.
        kept: those in the window that were encoded from their own frames.
        carried: those in it that stand for pruned groups, as these last were.
        prefilled: those run through the language model for this window.
        referring: those laid out for this window that refer to rows of others instead.
        reused: those that were there as they are.
    """

    full: int
    encoded: int
    kept: int
    carried: int
    prefilled: int
    referring: int
    reused: int


@dataclass(frozen=True, slots=True)
class FlopCount:
    """Floating point operations, counted from shapes: see ``costream.models.flops``.

    Attributes:
        full: vision encoder and language model over the whole unpruned window, from nothing, with
            masked groups left out: that masks save is not for pruning to claim.
        spent: what was run for this window.
        asking: what of it went into the questions' own tokens, which no policy can save.
    """

    full: int
    spent: int
    asking: int


@dataclass(slots=True)
class StageSeconds:
    """Seconds spent on a window, by stage.

    Attributes:
        decode: processor time of reading, decoding and extracting motion; waiting for a live
            camera does not count.
        prune: pruning, and cutting out what is kept.
        vision: the vision encoder.
        prefill: the language model over video tokens and questions.
        generate: writing text.
    """

    decode: float = 0.0
    prune: float = 0.0
    vision: float = 0.0
    prefill: float = 0.0
    generate: float = 0.0

    @property
    def total(self) -> float:
        """All stages together."""
        return self.decode + self.prune + self.vision + self.prefill + self.generate

    def __add__(self, other: StageSeconds) -> StageSeconds:
        return StageSeconds(
            self.decode + other.decode,
            self.prune + other.prune,
            self.vision + other.vision,
            self.prefill + other.prefill,
            self.generate + other.generate,
        )


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What came of running a window in full, since an answer turned to yes.

    Attributes:
        risen: how many answers turned to yes, or reached a score from which on somebody is alerted.
        upheld: of how many of them full recomputation's score reaches the same; None where the
            window could not be run in full, so that its answers are told as they are.
        tokens: visual tokens that were encoded and prefilled for it.
        waited: seconds for which the result was held back.
    """

    risen: int
    upheld: int | None
    tokens: int
    waited: float

    @property
    def outcomes(self) -> dict[ConfirmationOutcome, int]:
        """How many answers came to what, none left out."""
        if self.upheld is None:
            return {"upheld": 0, "refuted": 0, "missed": self.risen}
        return {"upheld": self.upheld, "refuted": self.risen - self.upheld, "missed": 0}


@dataclass(frozen=True, slots=True)
class Result:
    """The answers for one position of the window, with their evidence.

    Attributes:
        stream: name of the source, passwords masked.
        index: number of the window.
        start: its start in seconds of stream time.
        end: its end.
        answers: one for each question, in the order asked.
        asked_since: number of the first window that these questions were asked of: that of this one
            where they are others than those of the window before.
        frames: frames in it.
        anchors: frames of it that were encoded whole.
        damaged: frames of it in whose interval the decoder met errors.
        motion: where change evidence came from: see ``costream.video.sample.MotionSource``.
        tokens: visual tokens.
        flops: operations.
        decoding: native frames that were read for it, by why they were decoded, or were not.
        seconds: time spent.
        wall: of a live source, when the last frame of the window was received: ISO 8601, UTC.
        lag: of a live source, seconds from then to the answers.
        rows: rows of the KV pool that the stream refers to: tokens that were computed for it and
            are still of use.
        rebased: whether nothing was reused: positions and timestamps began again with this window,
            as they do with a stream's first.
        point: the operating point that the stream was at, in words; empty where no controller
            moves it.
        moves: what a controller changed since the window before, in order: see
            :class:`~costream.control.Move`.
        confirmation: where an answer turned to yes and the settings ask for it, what came of
            running the window in full: operations and seconds of the result include it, tokens
            don't. None where no answer did.
    """

    stream: str
    index: int
    start: float
    end: float
    answers: tuple[Answer, ...]
    frames: int
    anchors: int
    damaged: int
    motion: str
    tokens: TokenCount
    flops: FlopCount
    seconds: StageSeconds = field(default_factory=StageSeconds)
    wall: str | None = None
    lag: float | None = None
    rows: int = 0
    rebased: bool = False
    asked_since: int = 0
    decoding: DecodeCount = field(default_factory=DecodeCount)
    point: str = ""
    moves: tuple[Move, ...] = ()
    confirmation: Confirmation | None = None

    def to_dict(self) -> dict[str, Any]:
        """Returns the result as JSON-ready values; seconds are rounded to microseconds."""
        values = asdict(self)
        values["answers"] = [answer.to_dict() for answer in self.answers]
        values["moves"] = [move.to_dict() for move in self.moves]
        values["decoding"] = self.decoding.to_dict()
        values["seconds"] = {stage: round(s, 6) for stage, s in values["seconds"].items()}
        if self.lag is not None:
            values["lag"] = round(self.lag, 3)
        if self.confirmation is not None:
            values["confirmation"]["waited"] = round(self.confirmation.waited, 3)
        return values


def iso_time(received: float) -> str:
    """Returns a moment of ``time.monotonic`` as ISO 8601 in UTC, by the clock as it is set now."""
    moment = datetime.fromtimestamp(time() - (monotonic() - received), timezone.utc)
    return moment.isoformat(timespec="milliseconds")
