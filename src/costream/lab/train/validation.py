"""What a trained model says of videos that it did not learn from, and how its scores are evened."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from costream.engine.engine import Engine
from costream.lab.evaluate.calibration import choose_even_odds
from costream.lab.evaluate.metrics import Counts, count_videos
from costream.lab.evaluate.origin import Origin
from costream.lab.evaluate.policies import DEFAULT, POLICIES, REFERENCE
from costream.lab.synth import draw_recipes
from costream.lab.synth.events import EVENT_KINDS, EVENTS, EventKind
from costream.lab.synth.pool import process_pool
from costream.lab.train.clips import all_times, encoded
from costream.lab.train.recipe import Recipe
from costream.models import load_model, recommended_settings
from costream.settings import EngineSettings
from costream.video import Stream

COMPARED = (REFERENCE, DEFAULT)
"""The policies under which a model is judged."""

WORKERS = 2


@dataclass(frozen=True, slots=True)
class Judged:
    """What a model says of one video.

    Attributes:
        happened: the kinds of event in it.
        highest: for each policy the highest log odds of a yes over all windows, by kind.
    """

    happened: frozenset[EventKind]
    highest: Mapping[str, Mapping[EventKind, float]]


def judge_validation(model: Path, recipe: Recipe, count: int, kept: Path) -> list[Judged]:
    """Asks every question of all windows of videos of scenes that are not learnt from.

    Args:
        model: directory of the checkpoint.
        recipe: how videos are sampled.
        count: how many videos.
        kept: a file to which every video's answers are added as they come. What the same weights
            and code have said before is taken from it.
    """
    loaded = load_model(str(model), device="cpu", dtype=torch.float32)
    origin = {**asdict(Origin.of(loaded, model.name)), "count": count, "seed": recipe.seed}
    known = dict(_read(kept, origin))
    missing = [number for number in range(count) if number not in known]
    with (
        process_pool(WORKERS) as workers,
        kept.open("a", encoding="utf-8") as file,
    ):
        said = workers.map(partial(_judge, model, recipe, count), missing)
        for number, one in zip(missing, said, strict=True):
            known[number] = one
            values = {"happened": sorted(one.happened), "highest": dict(one.highest)}
            file.write(json.dumps({"origin": origin, "number": number, **values}) + "\n")
            file.flush()
    return [known[number] for number in range(count)]


def choose_calibration(judged: Sequence[Judged]) -> dict[EventKind, float]:
    """Returns for each kind the log odds from which a yes is best taken for one.

    They are chosen for both policies together: see
    :func:`~costream.lab.evaluate.calibration.choose_even_odds`.
    """
    return {kind: _choose(judged, kind) for kind in EVENT_KINDS}


def summarise(judged: Sequence[Judged], even: Mapping[EventKind, float]) -> dict[str, float]:
    """Returns F1 over (video, kind): by policy, and that of full recomputation by kind."""
    counts = {policy: _count(judged, policy, even) for policy in COMPARED}
    return {
        **{policy: sum(c.values(), Counts()).f1 for policy, c in counts.items()},
        **{kind: counts[REFERENCE][kind].f1 for kind in EVENT_KINDS},
    }


def _read(kept: Path, origin: dict[str, Any]) -> Iterator[tuple[int, Judged]]:
    """Reads what an origin has said, by video; a line that was cut off is taken out."""
    text = kept.read_text(encoding="utf-8") if kept.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    kept.write_text(whole, encoding="utf-8")
    for values in map(json.loads, whole.splitlines()):
        if values["origin"] == origin:
            yield values["number"], Judged(frozenset(values["happened"]), values["highest"])


def _judge(folder: Path, recipe: Recipe, count: int, number: int) -> Judged:
    torch.set_num_threads(1)
    video = draw_recipes("validation", count, recipe.seed)[number]
    camera = video.camera()
    model = load_model(str(folder), device="cpu", dtype=torch.float32)
    base = EngineSettings.checked(**{**recommended_settings(str(folder)), "calibration": {}})
    asks = [EVENTS[kind].questions[0] for kind in EVENT_KINDS]
    highest = {}
    with encoded(video, camera, all_times(camera, recipe), recipe.fps) as path:
        for name in COMPARED:
            # Where all is kept, frames are encoded once: a second time changes nothing.
            engine = Engine(model, POLICIES[name].settings(base, None))
            with Stream(path, motion=engine.settings.uses_motion, decode="all") as stream:
                said = [[a.score for a in one.answers] for one in engine.watch(stream, asks)]
            odds = torch.tensor(said, dtype=torch.float64).amax(dim=0).logit(eps=1e-6)
            highest[name] = dict(zip(EVENT_KINDS, odds.tolist(), strict=True))
    return Judged(frozenset(event.kind for event in camera.events), highest)


def _choose(judged: Sequence[Judged], kind: EventKind) -> float:
    happened = torch.tensor([kind in one.happened for one in judged])
    odds = [torch.tensor([one.highest[policy][kind] for one in judged]) for policy in COMPARED]
    return choose_even_odds(happened, odds)


def _count(
    judged: Sequence[Judged], policy: str, even: Mapping[EventKind, float]
) -> dict[str, Counts]:
    said = [{k for k, odds in one.highest[policy].items() if odds >= even[k]} for one in judged]
    pairs = [(one.happened, told) for one, told in zip(judged, said, strict=True)]
    return count_videos(pairs, EVENT_KINDS)
