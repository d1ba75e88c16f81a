"""A teacher that tells what patches show, and an encoder that learns from it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from costream.errors import SettingsError
from costream.lab.synth import Box, Truth
from costream.lab.train import Recipe, StageRecipe, train
from costream.lab.train.clips import Clip
from costream.lab.train.code import MARKS, SEEN
from costream.lab.train.distillation import Student
from costream.lab.train.perception import label_patches
from costream.lab.train.pictures import encode_frames, view_frames
from costream.lab.train.recipe import NONE
from costream.lab.train.teacher import COARSE, FINE, Taught, ask_teacher, make_teacher, per_group
from costream.models import load_model, write_untrained

STAGE = StageRecipe(2, 2, 1e-3, pool=2, fresh=0.0)
RECIPE = Recipe(
    "internvl-test",
    perception=NONE,
    closeups=NONE,
    language=NONE,
    joint=STAGE,
    teacher=STAGE,
    distillation=STAGE,
    window=4.0,
    frame_size=(96, 96),
)


pytestmark = pytest.mark.usefixtures("few_and_short_clips")


@pytest.fixture(scope="module")
def internvl(tmp_path_factory):
    folder = write_untrained(tmp_path_factory.mktemp("model"), "internvl-test")
    return load_model(str(folder), device="cpu", dtype=torch.float32)


def frames(count):
    draw = np.random.default_rng(3)
    return draw.integers(0, 256, (count, 1, 96, 96, 3), np.uint8)


def weights(folder, stage):
    return torch.load(folder / f"{stage}.pt", weights_only=True)


def test_an_encoder_learns_from_its_teacher(tmp_path):
    train(RECIPE, tmp_path, stages=["teacher"])
    assert all(not name.startswith("model.") for name in weights(tmp_path, "teacher"))
    train(RECIPE, tmp_path, stages=["distillation"])
    begun = load_model(str(tmp_path / "begun"), device="cpu", dtype=torch.float32).model
    learnt = weights(tmp_path, "distillation")
    moved = {
        name.split(".")[1] for name, was in begun.state_dict().items()
        if not torch.equal(learnt[name], was)
    }  # fmt: skip
    assert moved == {"vision_tower", "multi_modal_projector"}


def test_an_encoder_goes_on_with_balanced_frames(tmp_path):
    recipe = replace(RECIPE, balanced=STAGE)
    train(recipe, tmp_path, stages=["teacher", "distillation", "balanced"])
    before, after = weights(tmp_path, "distillation"), weights(tmp_path, "balanced")
    moved = {
        name.split(".")[1] for name, was in before.items() if not torch.equal(after[name], was)
    }
    assert moved == {"vision_tower", "multi_modal_projector"}


def test_an_encoder_does_not_learn_before_its_teacher(tmp_path):
    with pytest.raises(SettingsError, match="the stage teacher has not ended yet"):
        train(RECIPE, tmp_path, stages=["distillation"])


def test_only_an_internvl_learns_from_a_teacher(model):
    with pytest.raises(SettingsError, match="only an InternVL"):
        Student(model, 1)


def test_a_stage_without_steps_is_left_out(tmp_path):
    alone = replace(RECIPE, teacher=NONE, distillation=NONE, perception=STAGE)
    train(alone, tmp_path, stages=["teacher", "distillation", "perception"])
    assert {path.stem for path in tmp_path.glob("*.pt")} == {"perception"}


def test_the_teacher_has_features_for_each_patch_and_marks_for_each_group(internvl):
    taught = ask_teacher(make_teacher(internvl, 1), frames(2))
    rows, cols = internvl.geometry(96, 96, 1, None).grid.group_shape
    assert taught.marks.shape == (2, MARKS, rows, cols)
    assert taught.coarse.shape == (2, COARSE, 2 * rows, 2 * cols)
    assert taught.fine.shape == (2, FINE, 4 * rows, 4 * cols)
    assert per_group(taught.marks).shape == (2 * rows * cols, MARKS)


def test_marks_of_the_teacher_come_in_the_order_of_labels(internvl):
    geometry = internvl.geometry(96, 96, 1, None)
    rows, cols = geometry.grid.group_shape
    box = Box("person", 1, 40, 70, 60, 90, foot=(50, 90), action="lie")
    clip = Clip(frames(1)[:, 0], (Truth(0.0, (box,), ()),), (96, 96), (), "hall")
    labels = label_patches(internvl, geometry, [(clip, [0], None)])[:, SEEN.index("lie")]
    told = torch.zeros(1, 1, rows, cols)
    told[0, 0, 80 * rows // 96, 50 * cols // 96] = 1
    assert labels[per_group(told)[:, 0] > 0].all()


def test_the_student_meets_the_features_of_its_own_patches(internvl):
    """Features of the teacher that are what the student's patches are can be told without fault."""
    seen = frames(2)
    geometry = internvl.geometry(96, 96, 1, None)
    student = Student(internvl, 1)
    with student.watched(), torch.no_grad():
        encode_frames(internvl, geometry, seen)
    shape = geometry.grid.group_shape
    rows, cols = 2 * shape[0], 2 * shape[1]
    numbers = torch.arange(rows * cols).view(rows, cols).float()
    fine = numbers.repeat_interleave(2, 0).repeat_interleave(2, 1)
    ordered = student.per_patch(fine.expand(1, FINE, -1, -1), 2)
    assert (ordered == ordered[..., :1]).all()
    # Groups follow each other, and patches within a group.
    grouped = numbers.view(shape[0], 2, shape[1], 2).transpose(1, 2).flatten()
    assert torch.equal(ordered[0, :, 0], grouped)
    taught = Taught(fine.expand(2, FINE, -1, -1), numbers.expand(2, COARSE, -1, -1), torch.zeros(1))
    assert student.loss(taught).isfinite()


def test_frames_are_what_their_views_show():
    shown = frames(4)[:, 0]
    clip = Clip(shown, (Truth(0.0, (), ()),) * 4, (96, 96), (), "hall")
    viewed = view_frames([(clip, [1, 0], None)], 2)
    assert viewed.shape == (2, 2, 96, 96, 3)
    assert np.array_equal(viewed, shown[[2, 3, 0, 1]].reshape(viewed.shape))
