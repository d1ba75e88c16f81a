"""Where a run stands: what was learnt is kept as it goes, and a run that was cut off goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from costream.errors import SettingsError
from costream.lab.train import ranks

CURVES = "curves.jsonl"
"""Points of the curves, in a run's folder and beside its weights."""

HEAD = "training_head.safetensors"
"""The head that only training has, likewise."""


class Progress:
    """Checkpoints and curves of one run, in its folder.

    Args:
        folder: the run's.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._curves = folder / CURVES

    def save(self, stage: str, step: int, parts: dict[str, Any]) -> None:
        """Writes a checkpoint in place of the stage's last one, at once or not at all."""
        if ranks.rank():
            return
        aside = self._state(stage).with_suffix(".part")
        states = {name: part.state_dict() for name, part in parts.items()}
        torch.save({"step": step, "parts": states}, aside)
        aside.rename(self._state(stage))

    def restore(self, stage: str, parts: dict[str, Any], first: int = 0) -> int:
        """Brings the parts of a stage back to where they were and returns its next step.

        What the curves show of it behind that step is taken out: it is learnt again.

        Args:
            stage: the stage.
            parts: what learns, by name.
            first: the step it begins with.
        """
        step = first
        if self._state(stage).exists():
            saved = torch.load(self._state(stage), weights_only=True)
            for name, part in parts.items():
                part.load_state_dict(saved["parts"][name])
            step = int(saved["step"])
        self._cut_curves(stage, step)
        return step

    def is_done(self, stage: str) -> bool:
        """Whether a stage has ended."""
        return self._weights(stage).exists()

    def finish(self, stage: str, model: nn.Module) -> None:
        """Keeps the weights that a stage has ended with."""
        if not ranks.rank():
            torch.save(model.state_dict(), self._weights(stage))
        ranks.wait()

    def load(self, stage: str, module: nn.Module) -> None:
        """Takes up all that a stage has learnt.

        Raises:
            SettingsError: it has not ended.
        """
        if not self.is_done(stage):
            raise SettingsError(f"the stage {stage} has not ended yet, and is needed")
        module.load_state_dict(torch.load(self._weights(stage), weights_only=True))

    def restore_head(self, head: nn.Module) -> None:
        """Takes up the head of the last stage that ended with one, if any has."""
        if (self.folder / HEAD).exists():
            head.load_state_dict(load_file(self.folder / HEAD))

    def finish_head(self, head: nn.Module) -> None:
        """Keeps the head that a stage has ended with."""
        if not ranks.rank():
            save_file(head.state_dict(), self.folder / HEAD)

    def resume(self, stages: Sequence[str], model: nn.Module) -> None:
        """Takes up what stages have learnt that each began with the model as it is.

        A weight that several stages have moved is taken from the last of them.
        """
        joined = {name: weight.clone() for name, weight in model.state_dict().items()}
        for stage in stages:
            for name, weight in torch.load(self._weights(stage), weights_only=True).items():
                if not torch.equal(weight, model.state_dict()[name]):
                    joined[name] = weight
        model.load_state_dict(joined)

    def note(self, stage: str, step: int, values: dict[str, float]) -> None:
        """Adds a point to the curves and prints it."""
        if ranks.rank():
            return
        point = {"stage": stage, "step": step, **{k: round(v, 5) for k, v in values.items()}}
        with self._curves.open("a") as file:
            file.write(json.dumps(point) + "\n")
        print("  ".join(f"{name} {value}" for name, value in point.items()), flush=True)

    def _cut_curves(self, stage: str, step: int) -> None:
        if ranks.rank() or not self._curves.exists():
            return
        lines = self._curves.read_text().splitlines(keepends=True)
        points = [json.loads(line) for line in lines]
        kept = [line for line, point in zip(lines, points, strict=True)
                if point["stage"] != stage or point["step"] <= step]  # fmt: skip
        self._curves.write_text("".join(kept))

    def _state(self, stage: str) -> Path:
        return self.folder / f"{stage}.state.pt"

    def _weights(self, stage: str) -> Path:
        return self.folder / f"{stage}.pt"
