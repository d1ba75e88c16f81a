"""Validated settings of the engine: what the command line and the library's users may choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from typing_extensions import Self

from costream.engine.attention.backends import AUTO, check_attention
from costream.engine.refresh import DEFAULT_REFRESH, REFRESH
from costream.engine.wording import PUBLISHED_FORM, meaning
from costream.errors import SettingsError
from costream.pruning import DEFAULT_PRUNER, PRUNERS


class EngineSettings(BaseModel):
    """How a stream is watched.

    Attributes:
        fps: frames sampled a second of stream time.
        window: length of the window in seconds.
        stride: how far the window moves, in seconds.
        pruner: name of the pruning rule.
        refresh: name of the refresh policy.
        recent: seconds at the window's end that the model is shown; all of it where not given.
        hold: groups that are pruned stay in the window as they last were; else they are left out
            of it.
        keep: share of groups that rules with a target keep.
        refresh_share: share of the overlap's tokens that policies with a target recompute.
        anchor_every: seconds after which a frame is encoded whole again; by default two windows'
            length, or one without ``hold``, and never more then, so that every window holds every
            place.
        frame_size: (width, height) in pixels that frames are resized to; by default the
            checkpoint's own rule decides.
        ask_form: how a question is put: text that holds ``{ask}``.
        threshold: score from which an answer counts as a yes.
        thresholds: by question, the same for those that have their own.
        calibration: by question, the model's own probability of yes that makes a score of 0.5;
            a question that is not named is scored by its own probability. Questions are found here
            and in ``thresholds`` by their :func:`~costream.engine.wording.meaning`.
        text: write a sentence for every answer.
        text_above: write one where the score is at least this high.
        max_text_tokens: where a sentence is cut off.
        rebase_after: positions after which all is recomputed and they begin again. Attention sees
            differences only, but their rounding grows with the positions.
        chunk: tokens run through the language model at a time; bounds memory, not results.
        batch: tokens of the language model after which no further stream's window is run together
            with others; bounds how long an answer waits for those of others, not results.
        attention: name of the backend that computes the language model's attention, or ``auto``.
        capture: write answers by a step of fixed shapes, which a GPU captures once and replays. It
            keeps a window's keys and values for each answer. It never ran on a GPU.
        kv_dtype: ``int8`` stores keys and values in 8 bits, with a scale for each head of each row
            and layer; else they are stored in the type that the model computes in.
        audit: share of compute that may go into checking answers, of that of recomputing every
            window in full: about as many windows are run in full as well. It takes a source that
            keeps its packets: see :func:`~costream.engine.audit_ring.audit_ring`. 0 checks nothing.
        confirm: an answer that turns to yes is told once the window, run in full, says so as well.
            It takes a source that keeps its packets, as ``audit`` does: see
            :class:`~costream.engine.confirmation.ConfirmingFeed`.
        max_disagreement: share of answers that may differ from those of full recomputation. Every
            stream is held under it at least cost, by what checking says, so that it takes
            ``audit``: see :class:`~costream.control.DisagreementController`.
        budget: cost of a stream as a share of full recomputation's, checks included. Every stream
            is treated with as much care as it leaves room for: see
            :class:`~costream.control.BudgetController`.
        seed: seed of rules that draw at random, and of the windows that are checked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fps: float = Field(2.0, gt=0, le=240, allow_inf_nan=False)
    window: float = Field(40.0, gt=0, allow_inf_nan=False)
    stride: float = Field(8.0, gt=0, allow_inf_nan=False)
    pruner: str = DEFAULT_PRUNER
    refresh: str = DEFAULT_REFRESH
    recent: float | None = Field(None, gt=0, allow_inf_nan=False)
    hold: bool = True
    keep: float = Field(0.2, ge=0, le=1)
    refresh_share: float = Field(0.15, ge=0, le=1)
    anchor_every: float | None = Field(None, gt=0)
    frame_size: tuple[int, int] | None = None
    ask_form: str = Field(PUBLISHED_FORM, pattern=r"\{ask\}")
    threshold: float = Field(0.5, ge=0, le=1)
    thresholds: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    calibration: dict[str, Annotated[float, Field(gt=0, lt=1)]] = Field(default_factory=dict)
    text: bool = False
    text_above: float | None = Field(None, ge=0, le=1)
    max_text_tokens: int = Field(64, ge=1)
    rebase_after: int = Field(65536, ge=1)
    chunk: int = Field(2048, ge=1)
    batch: int = Field(4096, ge=1)
    attention: str = AUTO
    capture: bool = False
    kv_dtype: Literal["int8"] | None = None
    audit: float = Field(0.0, ge=0, le=1)
    confirm: bool = False
    max_disagreement: float | None = Field(None, gt=0, lt=1)
    budget: float | None = Field(None, gt=0, le=1)
    seed: int = 0

    @model_validator(mode="after")
    def _check(self) -> Self:
        # Names are looked up here, so that a wrong one is told before a model is loaded.
        _ = PRUNERS[self.pruner], REFRESH[self.refresh]
        check_attention(self.attention)
        if self.window < self.stride:
            raise SettingsError(
                f"the window of {self.window:g} s is shorter than its stride of {self.stride:g} s"
            )
        self._check_steering()
        _check_meanings("calibration", self.calibration)
        _check_meanings("thresholds", self.thresholds)
        return self

    def _check_steering(self) -> None:
        if not self.is_steered:
            return
        if self.max_disagreement is not None and self.budget is not None:
            raise SettingsError(
                "a stream is held under max_disagreement at least cost, or under a budget at least "
                "disagreement: choose one of them"
            )
        if self.max_disagreement is not None and not self.audit:
            raise SettingsError("max_disagreement is seen by checks alone: set audit to 0.01, say")
        if not PRUNERS[self.pruner].steerable:
            raise SettingsError(
                f"the pruner {self.pruner} can't be set while its stream runs: max_disagreement "
                "and budget need another one"
            )

    @property
    def is_steered(self) -> bool:
        """Whether a controller moves every stream between operating points."""
        return self.max_disagreement is not None or self.budget is not None

    @property
    def recalls(self) -> bool:
        """Whether windows of the past are run in full, so that sources have to keep packets."""
        return bool(self.audit) or self.confirm

    @property
    def uses_motion(self) -> bool:
        """Whether the pruner looks at motion vectors: a stream opened without saves their cost."""
        return PRUNERS[self.pruner].vectors

    @property
    def packed(self) -> bool:
        """Whether keys and values are stored in 8 bits."""
        return self.kv_dtype is not None

    def calibrated_wording(self, ask: str) -> str | None:
        """Returns the question in the spelling that it is calibrated in, or None for no such."""
        return _spelling(ask, self.calibration)

    def uncalibrated(self, asks: Sequence[str]) -> list[str]:
        """Returns the questions that no calibration names."""
        return [ask for ask in asks if self.calibrated_wording(ask) is None]

    def threshold_for(self, ask: str) -> float:
        """Returns the score from which an answer to the question counts as a yes."""
        wording = _spelling(ask, self.thresholds)
        return self.threshold if wording is None else self.thresholds[wording]

    def calibrated(self, ask: str, chance: float) -> float:
        """Returns the score of an answer: the odds of a yes, over those that make them even.

        Args:
            ask: the question.
            chance: the model's own probability of yes against no, 0..1.
        """
        wording = self.calibrated_wording(ask)
        even = 0.5 if wording is None else self.calibration[wording]
        yes, no = chance * (1 - even), (1 - chance) * even
        return yes / (yes + no)

    @classmethod
    def preferring(cls, given: Mapping[str, Any], recommended: Mapping[str, Any]) -> EngineSettings:
        """Builds settings from those that were given, else those that are recommended.

        A threshold that was given is one for all questions, whatever is recommended for some; one
        that was given for a question leaves what is recommended for others.

        Raises:
            SettingsError: a value is out of range or of no known name.
        """
        chosen = {**recommended, **given}
        ours, theirs = given.get("thresholds", {}), recommended.get("thresholds", {})
        if "threshold" in given:
            chosen["thresholds"] = ours
        elif isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            kept = {ask: score for ask, score in theirs.items() if _spelling(ask, ours) is None}
            chosen["thresholds"] = {**kept, **ours}
        return cls.checked(**chosen)

    @classmethod
    def checked(cls, **values: Any) -> EngineSettings:
        """Builds settings from named values.

        Raises:
            SettingsError: a value is out of range or of no known name.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            problem = first["msg"][0].lower() + first["msg"][1:]
            raise SettingsError(f"setting {where}: {problem}") from error


def _spelling(ask: str, known: Mapping[str, float]) -> str | None:
    """Returns how a question is spelt where it is known, or None where it isn't."""
    if ask in known:
        return ask
    wanted = meaning(ask)
    return next((spelling for spelling in known if meaning(spelling) == wanted), None)


def _check_meanings(setting: str, values: Mapping[str, float]) -> None:
    first: dict[str, str] = {}
    for ask, value in values.items():
        other = first.setdefault(meaning(ask), ask)
        if values[other] != value:
            raise SettingsError(
                f"{setting} gives one question two values: {other!r} {values[other]:g} and "
                f"{ask!r} {value:g}; keep one of them"
            )
