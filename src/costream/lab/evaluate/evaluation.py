"""An evaluation from beginning to end: run, rate, vary, write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from costream.engine.engine import Engine
from costream.errors import SettingsError
from costream.lab.evaluate.accuracy import rate_policies
from costream.lab.evaluate.accuracy_plots import plot_accuracy, plot_sensitivity
from costream.lab.evaluate.accuracy_report import AccuracyReport
from costream.lab.evaluate.cross_fit import CrossFit
from costream.lab.evaluate.datasets import Dataset
from costream.lab.evaluate.frontier import trace_frontier
from costream.lab.evaluate.frontier_plot import plot_frontier
from costream.lab.evaluate.levels import rate_levels
from costream.lab.evaluate.paired import PairedReport, pair_decodings
from costream.lab.evaluate.policies import Policy
from costream.lab.evaluate.quarters import rate_quarters
from costream.lab.evaluate.results import ResultStore
from costream.lab.evaluate.runner import OnVideo, Runner
from costream.lab.evaluate.savings import split_savings
from costream.lab.evaluate.sensitivity import Sensitivity
from costream.video import Decoding

BOTH: tuple[Decoding, Decoding] = ("all", "auto")
"""What is paired."""


class Evaluation:
    """One model on one set.

    Args:
        engine: the model with the settings that policies start from.
        name: the model's name.
        dataset: videos and questions.
        folder: where results are kept and looked for; without one, nothing is kept.
        on_video: told of every video that is done.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        dataset: Dataset,
        folder: Path | None,
        on_video: OnVideo,
    ) -> None:
        self._engine = engine
        self._name = name
        self._dataset = dataset
        self._runner = Runner(engine.model, name, dataset, ResultStore(folder), on_video)

    def run(
        self,
        policies: Sequence[Policy],
        *,
        decode: Decoding = "all",
        savings: bool = False,
        frontier: bool = False,
        sensitivity: bool = False,
    ) -> AccuracyReport:
        """Measures and rates.

        Args:
            policies: full recomputation and the default among them.
            decode: which pictures are decoded, for all but full recomputation, which decodes all.
            savings: tell as well what overlap saves and what pruning does.
            frontier: vary the budget of every policy as well.
            sensitivity: vary one setting at a time as well.

        Raises:
            SettingsError: no video of the set could be read.
        """
        base = self._engine.settings
        results = self._runner.run(policies, base, decode)
        rows = rate_policies(self._dataset, results, base)
        self._check(rows[0].videos)
        report = AccuracyReport(
            setup=self._setup(rows[0].videos, decode),
            rows=rows,
            calibrations=CrossFit(self._dataset, results, base).rows(),
            levels=rate_levels(self._dataset, results, base),
            quarters=rate_quarters(self._dataset, results, base),
            problems=self._runner.problems,
        )
        given = self._runner, self._dataset, base
        if savings:
            report = replace(report, savings=split_savings(*given, decode))
        if frontier:
            report = replace(report, frontier=trace_frontier(*given, decode, results))
        if sensitivity:
            points = Sensitivity(*given, self._engine.model.temporal_patch, decode).points()
            report = replace(report, points=list(points))
        return report

    def pair(self, policies: Sequence[Policy]) -> PairedReport:
        """Measures policies with all pictures decoded and with what changed, and compares both.

        Args:
            policies: the default among them. Full recomputation is left out, which decodes all,
                and what is confirmed by it.

        Raises:
            SettingsError: no video of the set could be read.
        """
        base = self._engine.settings
        paired = [policy for policy in policies if not (policy.from_scratch or policy.confirms)]
        whole, auto = (self._runner.run(paired, base, decode) for decode in BOTH)
        rows = pair_decodings(self._dataset, whole, auto, base)
        self._check(rows[0].videos)
        setup = self._setup(rows[0].videos, ",".join(BOTH))
        return PairedReport(setup, rows, self._runner.problems)

    def _check(self, videos: int) -> None:
        if not videos:
            raise SettingsError(f"no video of the set could be read: {self._runner.problems[-1]}")

    def write(self, report: AccuracyReport, folder: Path) -> list[Path]:
        """Writes tables and plots; returns their files.

        Raises:
            SettingsError: matplotlib is not installed.
            OSError: the folder can't be written to.
        """
        files = report.write(folder) + plot_accuracy(report.rows, folder)
        if report.frontier:
            files.append(plot_frontier(report.frontier, folder))
        if report.points:
            files.append(plot_sensitivity(report.points, folder))
        return files

    def _setup(self, videos: int, decode: str) -> dict[str, Any]:
        shape = self._engine.model.kv_shape
        return {
            "model": self._name,
            "parameters": self._engine.model.parameters,
            "device": str(shape.device),
            "dtype": str(shape.dtype).removeprefix("torch."),
            "dataset": self._dataset.name,
            "videos": videos,
            "decode": decode,
            "questions": dict(self._dataset.questions),
            "settings": self._engine.settings.model_dump(),
        }
