"""A whole run at a size that takes seconds: that it goes through, goes on, and gives a model."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from costream.errors import SettingsError
from costream.lab.synth.events import EVENTS
from costream.lab.train import Recipe, StageRecipe, beginning, train
from costream.lab.train import run as run_module
from costream.lab.train.beginning import go_on_from
from costream.lab.train.layout import all_words
from costream.lab.train.progress import Progress
from costream.lab.train.recipe import NONE
from costream.models import load_model, write_untrained
from costream.models.untrained import SIZES

STAGE = StageRecipe(2, 1, 1e-3, pool=2, fresh=0.0)
RECIPE = Recipe(
    "test",
    perception=STAGE,
    closeups=STAGE,
    language=STAGE,
    joint=STAGE,
    window=4.0,
    frame_size=(128, 128),
)


pytestmark = pytest.mark.usefixtures("few_and_short_clips")


@pytest.fixture
def unasked(monkeypatch):
    """A trained model is not asked."""
    monkeypatch.setattr(run_module, "judge_validation", lambda *rest: [])
    monkeypatch.setattr(run_module, "choose_calibration", lambda judged: {})
    monkeypatch.setattr(run_module, "summarise", lambda judged, even: {"full": 1.0})


def moved(folder, stage):
    begun = load_model(str(folder / "begun"), device="cpu", dtype=torch.float32).model
    learnt = torch.load(folder / f"{stage}.pt", weights_only=True)
    return {name for name, was in begun.state_dict().items() if not torch.equal(learnt[name], was)}


def test_stages_learn_apart_and_then_together(tmp_path):
    assert train(RECIPE, tmp_path, stages=["language"]) == tmp_path
    with pytest.raises(SettingsError, match="joint needs the stage closeups"):
        train(RECIPE, tmp_path, stages=["joint"])
    target = train(RECIPE, tmp_path)
    seeing, answering = moved(tmp_path, "closeups"), moved(tmp_path, "language")
    assert moved(tmp_path, "perception") <= seeing
    assert seeing and answering and seeing.isdisjoint(answering)
    assert seeing | answering <= moved(tmp_path, "joint")
    assert len(load_model(str(target), device="cpu").yes_ids)
    assert json.loads((target / "recipe.json").read_text())["seed"] == RECIPE.seed
    recommended = json.loads((target / "costream.json").read_text())
    assert recommended["window"] == RECIPE.window
    assert recommended["ask_form"] == "{ask}"
    asked = {question for alarm in EVENTS.values() for question in alarm.questions}
    assert recommended["calibration"].keys() == asked


def test_a_language_model_reads_an_encoder_that_stands_still(tmp_path, unasked):
    recipe = replace(RECIPE, closeups=NONE, reading=replace(STAGE, batch=2, composed=1))
    train(recipe, tmp_path, stages=["perception", "language", "reading"])
    before = {name: moved(tmp_path, name) for name in ("perception", "language", "reading")}
    assert before["reading"] == before["perception"] | before["language"]
    seen, read = (
        torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("perception", "reading")
    )
    assert all(torch.equal(read[name], seen[name]) for name in before["perception"])
    learnt = torch.load(tmp_path / "language.pt", weights_only=True)
    assert not all(torch.equal(read[name], learnt[name]) for name in before["language"])
    train(recipe, tmp_path)
    assert moved(tmp_path, "reading") <= moved(tmp_path, "joint")


def test_a_model_may_come_of_stages_that_learn_apart(tmp_path, unasked):
    target = train(replace(RECIPE, joint=NONE), tmp_path)
    exported = load_model(str(target), device="cpu", dtype=torch.float32).model.state_dict()
    for stage in ("closeups", "language"):
        learnt = torch.load(tmp_path / f"{stage}.pt", weights_only=True)
        assert all(
            torch.equal(exported[name], learnt[name].half().float())
            for name in moved(tmp_path, stage)
        )


def test_a_run_that_was_cut_off_goes_on_where_it_stood(tmp_path, monkeypatch, unasked):
    def stop(*args):
        raise KeyboardInterrupt

    broken = {**run_module.STAGES, "joint": (stop, ("closeups", "language"))}
    with monkeypatch.context() as cut, pytest.raises(KeyboardInterrupt):
        cut.setattr(run_module, "STAGES", broken)
        train(RECIPE, tmp_path)
    rest = dict.fromkeys(("perception", "closeups", "language"), (stop, ()))
    with monkeypatch.context() as watched:
        watched.setattr(run_module, "STAGES", {**run_module.STAGES, **rest})
        assert (train(RECIPE, tmp_path) / "model.safetensors").exists()


def test_a_run_goes_on_from_the_model_of_another(tmp_path, unasked):
    earlier = write_untrained(tmp_path / "earlier", "test", corpus=all_words())
    weights = load_model(str(earlier), device="cpu").model
    weights.to(torch.float16).save_pretrained(earlier)
    head = {"weight": torch.full((27, 64), 0.5), "bias": torch.zeros(27)}
    save_file(head, earlier / "training_head.safetensors")
    (earlier / "recipe.json").write_text(json.dumps(RECIPE.to_dict()))
    (earlier / "curves.jsonl").write_text('{"stage": "joint", "step": 2, "loss": 7.0}\n')
    recipe = go_on_from(RECIPE, str(earlier), 1)
    target = train(recipe, tmp_path / "later")
    begun, known = (
        load_model(str(folder), device="cpu", dtype=torch.float32).model.state_dict()
        for folder in (tmp_path / "later" / "begun", earlier)
    )
    assert all(torch.equal(begun[name], weight) for name, weight in known.items())
    assert moved(tmp_path / "later", "joint")
    learnt = load_file(target / "training_head.safetensors")["weight"]
    assert 0 < (learnt - 0.5).abs().max() < 0.01
    assert '"loss": 7.0' in (target / "curves.jsonl").read_text()
    assert go_on_from(RECIPE, str(target), 1).joint.first == 3


def test_a_run_goes_on_to_the_end_of_its_recipe(tmp_path):
    told = {**RECIPE.to_dict(), "joint": {"steps": 3, "first": 4}}
    (tmp_path / "recipe.json").write_text(json.dumps(told))
    longer = replace(RECIPE, joint=replace(STAGE, steps=9), language=replace(STAGE, steps=5))
    going = go_on_from(longer, str(tmp_path), None)
    assert (going.joint.first, going.joint.steps, going.joint.end) == (7, 2, 9)
    assert (going.language.first, going.language.steps) == (2, 3)
    assert not any(going.has(stage) for stage in ("perception", "closeups"))
    read = go_on_from(replace(RECIPE, reading=STAGE, joint=NONE), str(tmp_path), 5)
    assert (read.reading.steps, read.joint.steps) == (5, 0)
    with pytest.raises(SettingsError, match="say by --steps how many more"):
        go_on_from(RECIPE, str(tmp_path), None)
    (tmp_path / "recipe.json").write_text("{}")
    with pytest.raises(SettingsError, match="name a model that was trained here"):
        go_on_from(RECIPE, str(tmp_path), None)


def test_a_run_does_not_go_on_with_frames_of_another_size():
    with pytest.raises(SettingsError, match=r"has learnt from frames of 384x224, .* has 128x128"):
        go_on_from(RECIPE, "costream/tiny", 1)


def test_of_two_stages_that_begin_at_once_one_takes_what_the_other_wrote(tmp_path, monkeypatch):
    begun, wrote = tmp_path / "begun", []

    def overtaken(folder, *args, **settings):
        monkeypatch.setattr(beginning, "write_untrained", write_untrained)
        beginning.write_beginning(begun, RECIPE)
        wrote.append((begun / "model.safetensors").stat().st_ino)
        return write_untrained(folder, *args, **settings)

    monkeypatch.setattr(beginning, "write_untrained", overtaken)
    beginning.write_beginning(begun, RECIPE)
    assert wrote == [(begun / "model.safetensors").stat().st_ino]
    assert [path.name for path in tmp_path.iterdir()] == ["begun"]


def test_a_run_begins_from_what_another_family_has_learnt(tmp_path, monkeypatch, unasked):
    size = replace(SIZES["internvl-test"], text="qwen3", rope_theta=5_000_000.0)
    monkeypatch.setitem(SIZES, "internvl-small", size)
    source = write_untrained(tmp_path / "source", "test", corpus=all_words())
    recipe = replace(RECIPE, size="internvl-small", warm_start=str(source), frame_size=(128, 128))
    train(recipe, tmp_path, stages=["perception"])
    begun, known = (
        load_model(str(folder), device="cpu", dtype=torch.float32)
        for folder in (tmp_path / "begun", source)
    )
    for own, other in zip(
        begun.language.layers.parameters(), known.language.layers.parameters(), strict=True
    ):
        assert torch.equal(own, other)


def test_what_a_stage_that_is_left_out_needs_is_taken_up(tmp_path, unasked):
    recipe = replace(RECIPE, closeups=replace(STAGE, steps=0), language=replace(STAGE, steps=0))
    train(recipe, tmp_path, stages=["perception"])
    train(recipe, tmp_path, stages=["joint"])
    assert not (tmp_path / "closeups.pt").exists()
    learnt = torch.load(tmp_path / "joint.pt", weights_only=True)
    seeing = torch.load(tmp_path / "perception.pt", weights_only=True)
    begun = load_model(str(tmp_path / "begun"), device="cpu", dtype=torch.float32).model
    name = "model.visual.merger.linear_fc2.weight"
    before, between, after = begun.state_dict()[name], seeing[name], learnt[name]
    assert (after - between).abs().max() < (after - before).abs().max()


def test_unknown_stages_are_named(tmp_path):
    with pytest.raises(SettingsError, match="unknown stage 'seeing'"):
        train(RECIPE, tmp_path, stages=["seeing"])


def test_what_stages_learnt_apart_is_joined(checkpoint, tmp_path):
    model = load_model(str(checkpoint), device="cpu")
    # The last one of all is tied to the embeddings.
    progress, names = Progress(tmp_path), list(model.model.state_dict())[:-1]
    begun = {name: weight.clone() for name, weight in model.model.state_dict().items()}
    for stage, name in (("one", names[0]), ("other", names[-1])):
        model.model.state_dict()[name].add_(1)
        progress.finish(stage, model.model)
        model.model.load_state_dict(begun)
    progress.resume(["one", "other"], model.model)
    for name, weight in model.model.state_dict().items():
        assert torch.equal(weight, begun[name]) == (name not in (names[0], names[-1]))


def test_what_is_learnt_again_is_taken_out_of_the_curves(tmp_path):
    progress, head = Progress(tmp_path), torch.nn.Linear(1, 1)
    progress.note("other", 9, {"loss": 1.0})
    for step in (1, 2):
        progress.note("one", step, {"loss": 1.0})
    progress.save("one", 1, {"head": head})
    assert Progress(tmp_path).restore("one", {"head": head}) == 1
    points = [json.loads(line) for line in (tmp_path / "curves.jsonl").read_text().splitlines()]
    assert [(point["stage"], point["step"]) for point in points] == [("other", 9), ("one", 1)]
