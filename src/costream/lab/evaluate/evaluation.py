"""An evaluation from beginning to end: run, rate, vary, write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from costream.engine.engine import Engine
from costream.errors import SettingsError
from costream.lab.evaluate.accuracy import rate_policies
from costream.lab.evaluate.accuracy_plots import plot_accuracy, plot_sensitivity
from costream.lab.evaluate.accuracy_report import AccuracyReport
from costream.lab.evaluate.datasets import Dataset
from costream.lab.evaluate.policies import Policy
from costream.lab.evaluate.results import ResultStore
from costream.lab.evaluate.runner import OnVideo, Runner
from costream.lab.evaluate.sensitivity import Sensitivity


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

    def run(self, policies: Sequence[Policy], *, sensitivity: bool) -> AccuracyReport:
        """Measures and rates.

        Args:
            policies: full recomputation and the default among them.
            sensitivity: vary one setting at a time as well.

        Raises:
            SettingsError: no video of the set could be read.
        """
        base = self._engine.settings
        results = self._runner.run(policies, base)
        rows = rate_policies(self._dataset, results, base)
        if not rows[0].videos:
            raise SettingsError(f"no video of the set could be read: {self._runner.problems[-1]}")
        points = []
        if sensitivity:
            patch = self._engine.model.temporal_patch
            points = list(Sensitivity(self._runner, self._dataset, base, patch).points())
        return AccuracyReport(self._setup(rows[0].videos), rows, points, self._runner.problems)

    def write(self, report: AccuracyReport, folder: Path) -> list[Path]:
        """Writes tables and plots; returns their files.

        Raises:
            SettingsError: matplotlib is not installed.
            OSError: the folder can't be written to.
        """
        files = report.write(folder) + plot_accuracy(report.rows, folder)
        if report.points:
            files.append(plot_sensitivity(report.points, folder))
        return files

    def _setup(self, videos: int) -> dict[str, Any]:
        shape = self._engine.model.kv_shape
        return {
            "model": self._name,
            "parameters": self._engine.model.parameters,
            "device": str(shape.device),
            "dtype": str(shape.dtype).removeprefix("torch."),
            "dataset": self._dataset.name,
            "videos": videos,
            "questions": dict(self._dataset.questions),
            "settings": self._engine.settings.model_dump(),
        }
