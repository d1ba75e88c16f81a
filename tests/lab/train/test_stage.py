"""A stage that was cut off ends with the weights of one that was not."""

import json
from dataclasses import replace

import pytest
import torch

from costream.lab.train import StageRecipe
from costream.lab.train import stage as stage_module
from costream.lab.train.progress import Progress
from costream.lab.train.stage import make_head, run_stage
from costream.models import load_model

RECIPE = StageRecipe(steps=6, batch=1, rate=1e-2)


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(stage_module, "SAVE_EVERY", 2)
    monkeypatch.setattr(stage_module, "NOTE_EVERY", 3)


def learn_until(checkpoint, folder, limit):
    model = load_model(str(checkpoint), device="cpu")
    head = make_head(model, 1, seed=1)
    taken = 0

    def learn(step, draw):
        nonlocal taken
        taken += 1
        if taken > limit:
            raise KeyboardInterrupt
        segment = model.text(draw.integers(50, size=5).tolist())
        hidden = model.language.layers[0].mlp(model.embed(segment, None))
        loss = head(hidden).square().mean()
        torch.autograd.backward(loss)
        return {"loss": loss.item()}

    modules = {"model": model.model, "head": head}
    run_stage("words", RECIPE, modules, learn, Progress(folder), seed=1)
    return learnt_of(model)


def learnt_of(model):
    """A weight that AdamW moves, and one that Muon does."""
    embeddings = model.model.get_input_embeddings().weight
    return torch.cat([embeddings, model.language.layers[0].mlp.up_proj.weight]).detach()


def test_a_stage_goes_on_as_if_nothing_had_happened(checkpoint, tmp_path):
    whole = learn_until(checkpoint, tmp_path / "whole", 6)
    with pytest.raises(KeyboardInterrupt):
        learn_until(checkpoint, tmp_path / "cut", 5)
    # Checkpoints were written after 2 and 4 steps: the fifth is learnt again.
    resumed = learn_until(checkpoint, tmp_path / "cut", 2)
    begun = learnt_of(load_model(str(checkpoint), device="cpu"))
    torch.testing.assert_close(resumed, whole, atol=0, rtol=0)
    moved = (whole != begun).any(dim=1)
    assert moved[-1]
    assert moved[: -RECIPE.steps].any()


def test_a_stage_that_goes_on_counts_on(tmp_path):
    head, steps = torch.nn.Linear(2, 1), []

    def learn(step, draw):
        steps.append(step)
        loss = head(torch.ones(2)).square().sum()
        torch.autograd.backward(loss)
        return {"loss": loss.item()}

    progress = Progress(tmp_path)
    progress.note("words", 3, {"loss": 1.0})
    progress.note("words", 4, {"loss": 1.0})
    recipe = replace(RECIPE, steps=2, first=3)
    run_stage("words", recipe, {"head": head}, learn, progress, seed=1)
    assert steps == [3, 4]
    # What was learnt behind the step that it goes on from is another run's.
    points = [json.loads(line) for line in (tmp_path / "curves.jsonl").read_text().splitlines()]
    assert [point["step"] for point in points] == [3]


def test_a_head_follows_from_its_seed(model):
    one, same, other = (make_head(model, 3, seed).weight for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
