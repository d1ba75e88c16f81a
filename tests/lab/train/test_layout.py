import pytest
import torch

from costream.lab.evaluate.stock_model import WholeWindow, stock_logits
from costream.lab.synth import WorldCamera
from costream.lab.train.layout import Dialogue, hidden_states, lay_out
from costream.models import Timestamp
from costream.video import Picture
from tests.models.common import job_of

TIMESTAMPS = [Timestamp(n, n + 0.25, 1.0) for n in range(3)]
DIALOGUES = [
    Dialogue("Is someone fighting?", "No. Nobody is fighting."),
    Dialogue("Is there a fire?", "Yes. There is fire or smoke."),
]


@pytest.fixture
def window(model):
    geometry = model.geometry(448, 256, 6, (96, 64))
    camera = WorldCamera(3, seconds=4)
    frames = [Picture.from_rgb(camera.frame(12 * n)) for n in range(6)]
    pixels = [model.pixels(frames[n : n + 2], geometry) for n in (0, 2, 4)]
    whole = torch.ones(geometry.grid.groups, dtype=torch.bool)
    jobs = [job_of(model, frames[n : n + 2], whole, geometry) for n in (0, 2, 4)]
    return geometry, pixels, model.encode(jobs)


def test_each_question_is_answered_as_the_stock_model_answers_it_alone(model, window):
    geometry, pixels, visuals = window
    layout = lay_out(model, geometry, TIMESTAMPS, DIALOGUES)
    hidden = hidden_states(model, layout, visuals)
    told = model.logits(hidden[layout.sources[layout.first]])
    for logits, dialogue in zip(told, DIALOGUES, strict=True):
        stock = stock_logits(model, WholeWindow(pixels, TIMESTAMPS, dialogue.question, geometry))
        torch.testing.assert_close(logits, stock, atol=2e-5, rtol=0)


def test_targets_are_the_answers_to_their_ends(model, window):
    geometry = window[0]
    layout = lay_out(model, geometry, TIMESTAMPS, DIALOGUES)
    told = model.tokenizer.decode(layout.targets)
    assert told == "".join(f"{d.answer}<|im_end|>" for d in DIALOGUES)
    starts = layout.targets[layout.first].tolist()
    assert [model.tokenizer.decode(token) for token in starts] == ["No", "Yes"]


def test_gradients_reach_the_vision_encoder(model, window):
    geometry, _, visuals = window
    layout = lay_out(model, geometry, TIMESTAMPS, DIALOGUES)
    hidden_states(model, layout, visuals).square().sum().backward()
    moved = model.vision.patch_embed.proj.weight.grad
    model.model.zero_grad(set_to_none=True)
    assert moved is not None
    assert moved.abs().sum() > 0
