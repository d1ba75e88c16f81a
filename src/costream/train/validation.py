"""How well a model answers on the full windows of clips it did not learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from costream.models import FrameGeometry, ModelAdapter, VisualTokens
from costream.synth.events import EVENT_KINDS, EVENTS, EventKind
from costream.train.clips import Clip
from costream.train.layout import Dialogue, hidden_states, lay_out
from costream.train.pictures import encode_patches
from costream.train.recipe import Recipe
from costream.train.windows import list_examples, moments_from

OFFERED = np.round(1 / (1 + np.exp(-np.arange(-3.0, 8.0, 0.1))), 4)
"""Thresholds to choose from, a tenth apart in log odds: scores that are sure crowd near 1."""

Scores = dict[EventKind, tuple[float, bool | None]]
"""Of one window, by kind: the score, 0..1, and whether the window shows it; None where unclear."""


@torch.no_grad()
def score_windows(
    model: ModelAdapter, geometry: FrameGeometry, clips: Sequence[Clip], recipe: Recipe
) -> list[list[Scores]]:
    """Asks every question of the windows of clips, a stride apart.

    Returns:
        For each clip, for each window.
    """
    span = model.temporal_patch / recipe.fps
    step, length = round(recipe.stride / span), round(recipe.window / span)
    asked = [Dialogue(EVENTS[kind].questions[0], EVENTS[kind].no) for kind in EVENT_KINDS]
    scored: list[list[Scores]] = [[] for _ in clips]
    features: list[VisualTokens] = []
    for example in list_examples(clips, recipe, model.temporal_patch):
        if example.first == 0:
            clip = clips[example.clip]
            patches = range(len(clip.truths) // model.temporal_patch)
            features = encode_patches(model, geometry, [(clip, patches, None)])
        if example.first % step:
            continue
        moments = moments_from(0, length, recipe, model.temporal_patch)
        layout = lay_out(model, geometry, moments, asked)
        with torch.autocast(model.kv_shape.device.type, torch.bfloat16):
            hidden = hidden_states(model, layout, features[example.first : example.first + length])
        chances = model.logits(hidden[layout.sources[layout.first]]).float().softmax(-1)
        yes, no = chances[:, model.yes_ids].sum(-1), chances[:, model.no_ids].sum(-1)
        scores = (yes / (yes + no)).tolist()
        scored[example.clip].append(
            {k: (s, example.shown.get(k)) for k, s in zip(EVENT_KINDS, scores, strict=True)}
        )
    return scored


def summarise(
    scored: Sequence[Sequence[Scores]],
    clips: Sequence[Clip],
    thresholds: Mapping[EventKind, float],
) -> dict[str, float]:
    """Returns F1 over (clip, kind), in all and by kind: yes where any window says so."""
    happened = [{event.kind for event in clip.events} for clip in clips]
    said = [
        {k for window in windows for k, (score, _) in window.items() if score >= thresholds[k]}
        for windows in scored
    ]
    result = {"f1": _f1([(k in h, k in s) for h, s in zip(happened, said, strict=True)
                         for k in EVENT_KINDS])}  # fmt: skip
    for kind in EVENT_KINDS:
        result[kind] = _f1([(kind in h, kind in s) for h, s in zip(happened, said, strict=True)])
    return result


def choose_thresholds(
    scored: Sequence[Sequence[Scores]], clips: Sequence[Clip]
) -> dict[EventKind, float]:
    """Returns for each kind the threshold with the highest F1, the middle one of the best.

    What is seldom made out is told with less confidence than what never is missed: no one threshold
    serves all kinds.
    """
    return {kind: _choose(scored, clips, kind) for kind in EVENT_KINDS}


def _choose(scored: Sequence[Sequence[Scores]], clips: Sequence[Clip], kind: EventKind) -> float:
    happened = [kind in {event.kind for event in clip.events} for clip in clips]
    highest = [max(window[kind][0] for window in windows) for windows in scored]
    reached = np.array(
        [
            _f1([(h, score >= one) for h, score in zip(happened, highest, strict=True)])
            for one in OFFERED
        ]
    )
    # Where there is nothing to find, nothing is best said.
    reached = np.nan_to_num(reached, nan=1.0)
    best = np.flatnonzero(reached == reached.max())
    return float(OFFERED[best[len(best) // 2]])


def _f1(pairs: Sequence[tuple[bool, bool]]) -> float:
    hits = sum(h and s for h, s in pairs)
    wrong = sum(h != s for h, s in pairs)
    return float(2 * hits / max(1, 2 * hits + wrong)) if hits or wrong else float(np.nan)
