"""Answers with what changed decoded beside those with everything decoded, policy by policy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from costream.lab.evaluate.accuracy import rate_policies
from costream.lab.evaluate.answers import Results
from costream.lab.evaluate.datasets import Dataset
from costream.lab.evaluate.policies import DEFAULT
from costream.lab.evaluate.tables import markdown_table, write_csv
from costream.settings import EngineSettings
from costream.video import DecodeCount

DECODING = "decoding"

HEADINGS = (
    "policy", "flips", "of the yes", "F1, all", "F1, auto", "event recall, all",
    "event recall, auto", "tokens kept, all", "tokens kept, auto", "decoded",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PairedRow:
    """One policy with ``--decode all`` and with ``--decode auto``, on the same videos.

    Attributes:
        policy: its name.
        default: it is the product's default.
        videos: how many it was run on.
        answers: how many (window, question) pairs were compared.
        flips: share of them that are answered otherwise with ``auto`` than with ``all``.
        flips_low: lower bound of its 95% interval.
        flips_high: upper bound.
        yes_flips: share of the pairs that are a yes on either side and a no on the other.
        f1_all: F1 of (video, category) pairs, with ``all``.
        f1_auto: the same with ``auto``.
        event_recall_all: share of events that an alert of their category overlaps, with ``all``.
        event_recall_auto: the same with ``auto``.
        kept_all: share of a window's visual tokens that it holds, with ``all``.
        kept_auto: the same with ``auto``.
        decoded: share of the native frames that ``auto`` decoded.
        decoding: native frames by why ``auto`` decoded them, or did not.
    """

    policy: str
    default: bool
    videos: int
    answers: int
    flips: float
    flips_low: float
    flips_high: float
    yes_flips: float
    f1_all: float
    f1_auto: float
    event_recall_all: float
    event_recall_auto: float
    kept_all: float
    kept_auto: float
    decoded: float
    decoding: dict[str, int]

    def cells(self) -> tuple[str, ...]:
        """Returns what stands under :data:`HEADINGS`."""
        return (
            self.policy,
            f"{self.flips:.2%}",
            f"{self.yes_flips:.1%}",
            *(f"{value:.3f}" for value in (self.f1_all, self.f1_auto)),
            *(f"{value:.1%}" for value in (self.event_recall_all, self.event_recall_auto)),
            *(f"{value:.1%}" for value in (self.kept_all, self.kept_auto, self.decoded)),
        )

    @property
    def interval(self) -> str:
        """The 95% interval of the flips."""
        return f"{self.flips_low:.2%} to {self.flips_high:.2%}"


def pair_decodings(
    dataset: Dataset,
    whole: Mapping[str, Results],
    auto: Mapping[str, Results],
    settings: EngineSettings,
) -> list[PairedRow]:
    """Compares every policy with itself, on the videos that both sides were run on.

    Args:
        dataset: what the videos show, and the questions in the order they were asked.
        whole: results by policy, with all pictures decoded.
        auto: of the same policies, with those decoded in which something changed.
        settings: how answers are scored, and from which score on they count as a yes.
    """
    return [_pair(name, dataset, whole[name], auto[name], settings) for name in whole]


def _pair(
    policy: str, dataset: Dataset, whole: Results, auto: Results, settings: EngineSettings
) -> PairedRow:
    before, after = rate_policies(dataset, {"all": whole, "auto": auto}, settings, reference="all")
    return PairedRow(
        policy=policy,
        default=policy == DEFAULT,
        videos=after.videos,
        answers=after.answers,
        flips=after.flips,
        flips_low=after.flips_low,
        flips_high=after.flips_high,
        yes_flips=after.yes_flips,
        f1_all=before.f1,
        f1_auto=after.f1,
        event_recall_all=before.event_recall,
        event_recall_auto=after.event_recall,
        kept_all=before.kept,
        kept_auto=after.kept,
        decoded=after.decoded,
        decoding=after.decoding,
    )


@dataclass(frozen=True, slots=True)
class PairedReport:
    """A paired evaluation.

    Attributes:
        setup: what was evaluated: model, set, settings.
        rows: one a policy.
        problems: what was left out and why.
    """

    setup: Mapping[str, Any]
    rows: Sequence[PairedRow]
    problems: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        """Returns the same as a dict of JSON's own types."""
        return {
            "setup": dict(self.setup),
            "rows": [asdict(row) for row in self.rows],
            "problems": list(self.problems),
        }

    def write(self, folder: Path) -> list[Path]:
        """Writes all tables and returns their files.

        Raises:
            OSError: the folder can't be written to.
        """
        folder.mkdir(parents=True, exist_ok=True)
        texts = {
            f"{DECODING}.json": json.dumps(self.to_dict(), indent=1) + "\n",
            f"{DECODING}.md": decoding_tables(self.rows),
        }
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        write_csv(folder / f"{DECODING}.csv", [_flat(row) for row in self.rows])
        return [folder / name for name in (*texts, f"{DECODING}.csv")]


def decoding_tables(rows: Sequence[PairedRow]) -> str:
    """Returns the rows, and what was decoded why, as Markdown."""
    found = sum((DecodeCount(**row.decoding) for row in rows), DecodeCount()).to_dict()
    shares = [
        [row.policy, *(f"{row.decoding.get(why, 0) / _frames(row):.1%}" for why in found)]
        for row in rows
    ]
    pairs = markdown_table(
        [*HEADINGS, "answers", "95% of the flips"],
        [[*row.cells(), str(row.answers), row.interval] for row in rows],
    )
    return pairs + "\n" + markdown_table(["frames of", *found], shares)


def _frames(row: PairedRow) -> int:
    return max(1, sum(row.decoding.values()))


def _flat(row: PairedRow) -> dict[str, Any]:
    values = asdict(row)
    decoding = values.pop("decoding")
    return values | {f"frames {why}": decoding.get(why, 0) for why in DecodeCount.names()}
