"""Where savings come from: the windows' overlap, pruning, and what is left without overlap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from costream.lab.evaluate.accuracy import common_videos
from costream.lab.evaluate.answers import Results
from costream.lab.evaluate.datasets import Dataset
from costream.lab.evaluate.policies import DEFAULT, POLICIES, REFERENCE
from costream.lab.evaluate.runner import Runner
from costream.lab.evaluate.spending import Spending, saved
from costream.settings import EngineSettings
from costream.video import Decoding

REUSE, PRUNING = "refresh-only", "prune-only"
"""Policies that save in one way alone."""


@dataclass(frozen=True, slots=True)
class Saving:
    """What is saved in one way, as shares of full recomputation of the same windows.

    Attributes:
        what: the way.
        policy: what was run for it.
        stride: by how much the windows moved, in seconds.
        tokens: visual tokens through the vision encoder and through the language model.
        flops: operations.
        video_flops: operations but for the questions' own tokens.
        later_flops: the same without each video's first window, which has nothing to reuse: as on a
            camera that runs on. None where videos have one window.
    """

    what: str
    policy: str
    stride: float
    tokens: float
    flops: float
    video_flops: float
    later_flops: float | None

    def to_dict(self) -> dict[str, Any]:
        """Returns the same as a dict of JSON's own types."""
        return asdict(self)


def split_savings(
    runner: Runner, dataset: Dataset, base: EngineSettings, decode: Decoding
) -> list[Saving]:
    """Measures what is saved in each way.

    Args:
        runner: runs what is not measured yet.
        dataset: its set.
        base: the settings of the evaluation; where its windows overlap, those that don't are run
            as well.
        decode: which pictures are decoded.
    """
    names = (REFERENCE, PRUNING, REUSE, DEFAULT)
    results = runner.run([POLICIES[name] for name in names], base, decode)
    ways = {"overlap alone": REUSE, "pruning alone": PRUNING, "both": DEFAULT}
    found = {
        way: _saving(way, dataset, results, policy, base.stride) for way, policy in ways.items()
    }
    rows = [found["overlap alone"], _added(found["both"], found["overlap alone"])]
    rows += [found["both"], found["pruning alone"]]
    if base.stride < base.window:
        apart = base.model_copy(update={"stride": base.window})
        left = [POLICIES[name] for name in names if name != REUSE]
        alone = runner.run(left, apart, decode)
        rows += [
            _saving("no overlap: pruning", dataset, alone, PRUNING, apart.stride),
            _saving("no overlap: pruning and reuse", dataset, alone, DEFAULT, apart.stride),
        ]
    return rows


def _saving(
    what: str, dataset: Dataset, results: Mapping[str, Results], policy: str, stride: float
) -> Saving:
    videos = common_videos(dataset, results)

    def spent(name: str, first: int) -> Spending:
        return Spending.of([w for v in videos for w in results[name][v.name].windows[first:]])

    (ours, full), (our_later, later) = (
        [spent(name, first) for name in (policy, REFERENCE)] for first in (0, 1)
    )
    return Saving(
        what=what,
        policy=policy,
        stride=stride,
        tokens=saved(ours.tokens, full.tokens),
        flops=saved(ours.flops, full.flops),
        video_flops=saved(ours.video_flops, full.video_flops),
        later_flops=saved(our_later.video_flops, later.video_flops) if later.windows else None,
    )


def _added(both: Saving, reuse: Saving) -> Saving:
    """What pruning adds where overlap is reused already."""
    later = None
    if both.later_flops is not None and reuse.later_flops is not None:
        later = both.later_flops - reuse.later_flops
    return Saving(
        what="pruning adds",
        policy=f"{both.policy} - {reuse.policy}",
        stride=both.stride,
        tokens=both.tokens - reuse.tokens,
        flops=both.flops - reuse.flops,
        video_flops=both.video_flops - reuse.video_flops,
        later_flops=later,
    )
