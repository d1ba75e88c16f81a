from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageTextToText

from costream.engine.engine import Engine
from costream.engine.questions import Questions
from costream.errors import SettingsError
from costream.models import ModelAdapter
from costream.settings import EngineSettings
from tests.fakes import FakeStream, noise_pictures, samples_of
from tests.models.published import Published

SETTINGS = EngineSettings(
    fps=2, window=3, stride=1, pruner="none", refresh="full", frame_size=(128, 96)
)


@pytest.mark.parametrize("asks", [[], [""], ["Is it on fire?", "  "]])
def test_a_question_must_say_something(model: ModelAdapter, asks: list[str]) -> None:
    stream = FakeStream(samples_of(noise_pictures(2)))
    with pytest.raises(SettingsError, match="question"):
        Engine(model, SETTINGS).watch(stream, asks)


def test_score_is_yes_against_no(model: ModelAdapter) -> None:
    settings = EngineSettings(calibration={"Is it clear?": 0.8})
    questions = Questions(model, ["Is it?", "Was it?", "Will it be?", "Is it clear?"], settings)
    logits = torch.full((4, 1024), -50.0)
    logits[0, model.yes_ids[0]] = logits[1, model.no_ids[0]] = 10.0
    logits[2:, model.yes_ids[0]] = logits[2:, model.no_ids[0]] = 10.0
    assert questions.scores(logits) == pytest.approx([1.0, 0.0, 0.5, 0.2], abs=1e-6)


def test_written_answers_are_the_stock_model_s(model: ModelAdapter, checkpoint: Path) -> None:
    """Several branches decoded side by side, each as if it were alone."""
    asks = ["Is someone fighting?", "Did a car stop?", "Is there smoke in the picture?"]
    pictures = noise_pictures(6)
    engine = Engine(model, SETTINGS.model_copy(update={"text": True, "max_text_tokens": 12}))
    (result,) = list(engine.watch(FakeStream(samples_of(pictures)), asks))
    published = Published(checkpoint)
    for answer in result.answers:
        prompt = f"{answer.ask} Start your response with 'Yes' or 'No'."
        pixels, grid = published._pixels([p.rgb() for p in pictures])
        ids = published._ids(list(range(6)), grid, prompt, 2)
        stock = AutoModelForImageTextToText.from_pretrained(checkpoint).eval()
        out = stock.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            pixel_values_videos=pixels,
            video_grid_thw=torch.tensor([grid]),
            mm_token_type_ids=(ids == stock.config.video_token_id).int() * 2,
            max_new_tokens=12,
            do_sample=False,
            eos_token_id=sorted(model.eos_ids),
            pad_token_id=model.tokenizer.pad_token_id,
        )
        text = model.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
        assert answer.text == text.strip()


def test_writing_stops_at_the_end_token(model: ModelAdapter) -> None:
    engine = Engine(model, SETTINGS)
    stream = FakeStream(samples_of(noise_pictures(6)))
    watch = engine.open(stream, ["Is it?", "Or not?"])
    (window, _) = next(engine.windows(stream))
    plan, output = watch.run(watch.ingest.prepare(window))
    ends = output.logits.clone()
    ends[0, min(model.eos_ids)] = 1e9
    output.logits = ends
    watch._settings = SETTINGS.model_copy(update={"max_text_tokens": 4})
    written = watch._write(plan, output, [0, 1])
    assert written[0] == []
    assert len(written[1]) == 4


def test_text_above_writes_only_where_the_score_is_high(model: ModelAdapter) -> None:
    for above, expected in ((0.0, True), (1.0, False)):
        settings = SETTINGS.model_copy(update={"text_above": above, "max_text_tokens": 2})
        stream = FakeStream(samples_of(noise_pictures(6)))
        (result,) = list(Engine(model, settings).watch(stream, ["Is it?"]))
        assert (result.answers[0].text is not None) is expected
