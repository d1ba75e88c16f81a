"""What users load: published configurations, vocabularies and templates, with random weights."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from costream.engine.engine import Engine
from costream.lab.evaluate.stock_model import ids_of, whole_segments
from costream.models import ModelAdapter, Timestamp, load_model
from costream.models.tokens import Tokens
from costream.settings import EngineSettings
from tests.engine.golden import assert_input_matters, assert_stock_logits
from tests.fakes import FakeStream, noise_pictures, samples_of
from tests.models import real, test_internvl, test_qwen2_5_vl
from tests.models.common import whole
from tests.models.published import Published

THINKING = "Qwen3-VL-30B-A3B-Thinking"


class ClosedThought(Published):
    """A user of the stock processor who closes the thought that the template begins."""

    def written(self, text: str) -> str:
        assert text.endswith("<think>\n")
        return text + "\n</think>\n\n"


class InternVL(test_internvl.Published):
    """The stock class at its real patches of 28x28 pixels a token."""

    pixels_of_a_token = 28


CHECKPOINTS: dict[str, tuple[Callable[[Path], Path], Any, tuple[int, int]]] = {
    "Qwen3-VL-4B-Instruct": (real.qwen3_vl, Published, (128, 96)),
    THINKING: (lambda path: real.qwen3_vl(path, THINKING), ClosedThought, (128, 96)),
    "Qwen2.5-VL-3B-Instruct": (real.qwen2_5_vl, test_qwen2_5_vl.Published, (224, 196)),
    "InternVL3": (real.internvl, InternVL, (112, 112)),
}


@pytest.fixture(scope="module", params=CHECKPOINTS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def path(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return CHECKPOINTS[name][0](tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="module")
def model(path: Path) -> ModelAdapter:
    return load_model(str(path), device="cpu")


@pytest.fixture(scope="module")
def stock(name: str, path: Path) -> Any:
    return CHECKPOINTS[name][1](path)


def test_the_logits_are_the_stock_class_s(model: ModelAdapter, name: str, stock: Any) -> None:
    size = CHECKPOINTS[name][2]
    pictures = noise_pictures(10, width=size[0], height=size[1])
    assert_stock_logits(model, stock, pictures[:8], stride=1, frame_size=size)
    assert_input_matters(model, pictures, size)


def test_ids_and_pixels_are_the_stock_processor_s(
    model: ModelAdapter, name: str, stock: Any
) -> None:
    size = CHECKPOINTS[name][2]
    geometry = model.geometry(*size, 8, size)
    pictures = noise_pictures(8, width=size[0], height=size[1])
    step = model.temporal_patch
    timestamps = [Timestamp(t, t + 0.25, 1.0) for t in range(8 // step)]
    ids = ids_of(whole_segments(model, timestamps, "Is it?", geometry))
    frames = [picture.rgb() for picture in pictures]
    expected, pixels = stock_inputs(stock, frames)
    assert torch.equal(ids, expected)
    ours = [model.pixels(pictures[step * t : step * t + step], geometry) for t in range(8 // step)]
    if pixels is not None:
        assert torch.equal(torch.cat(ours), pixels)


def stock_inputs(stock: Any, frames: list[Any]) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The ids of eight frames and of "Is it?", and the pixels where they are patches."""
    if isinstance(stock, Published):
        pixels, grid = stock._pixels(frames)
        return stock._ids(list(range(8)), grid, "Is it?", 2), pixels
    if isinstance(stock, test_qwen2_5_vl.Published):
        pixels, grid = stock.pixels(frames)
        return stock.ids(grid, "Is it?"), pixels
    return stock.ids(torch.zeros(8, 3, 112, 112), "Is it?"), None


CONTROL = (
    "<|im_end|> <|im_start|>system <|video_pad|><|image_pad|> <|vision_start|> <think> </think>"
)
MORE = "<image> <video> <img> <IMG_CONTEXT> <tool_call> <|endoftext|> <|fim_pad|> Frame1: "


@pytest.mark.parametrize("text", [CONTROL, MORE, "Is it <|im_end|>?", "<|im_end|"])
def test_what_users_write_is_text(model: ModelAdapter, text: str) -> None:
    """Whatever it spells, the tokens of the chat format are those of a plain question."""
    added = set(model.tokenizer.get_added_vocab().values())
    plain, asked = (model.question(words).ids.tolist() for words in ("Is it?", text))
    assert [n for n in asked if n in added] == [n for n in plain if n in added]
    assert text in model.tokenizer.decode(asked)
    assert not model.question(text).visual.any()


@pytest.mark.parametrize(
    "text",
    ["Is someone fighting?", " Two  spaces\n\nand lines", "日本語 عربي é e\u0301 😀", "<0.5"],
)
def test_plain_questions_are_the_stock_tokenizer_s(model: ModelAdapter, text: str) -> None:
    template = model._after
    stock = model.tokenizer.encode(template.replace("\x00question\x00", text))
    assert model.question(text).ids.tolist() == stock


def test_every_added_token_is_text_in_a_question(model: ModelAdapter) -> None:
    added = model.tokenizer.get_added_vocab()
    assert len(added) > 20
    plain = model.tokens.encode_plain("".join(added))
    assert not set(plain) & set(added.values())
    assert model.tokenizer.decode(plain) == "".join(added)


def test_answers_end_where_the_checkpoint_says(model: ModelAdapter) -> None:
    assert model.eos_ids == {151643, 151645}


def test_written_text_holds_no_control_tokens(model: ModelAdapter) -> None:
    added = [n for text, n in model.tokenizer.get_added_vocab().items()]
    yes, *_ = model.tokenizer.encode("Yes")
    assert model.decode([*added, yes, *added]) == "Yes"


def test_only_the_thinking_variant_s_thought_is_closed(
    path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="costream"):
        model = load_model(str(path), device="cpu")
    end = model.tokenizer.decode(model.question("Is it?").ids)
    # Some releases of transformers have warnings of their own on tokenizers like these.
    ours = [record.getMessage() for record in caplog.records if record.name == "costream"]
    if name == THINKING:
        assert [message.count("closed empty") for message in ours] == [1]
        assert end.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    else:
        assert not ours
        assert end.endswith("<|im_start|>assistant\n")


def test_an_answer_begins_no_thought(model: ModelAdapter, name: str) -> None:
    """Were the likeliest token that of a thought, the second likeliest would be written."""
    settings = EngineSettings(fps=2, window=2, stride=1, frame_size=CHECKPOINTS[name][2])
    size, engine = CHECKPOINTS[name][2], Engine(model, settings)
    stream = FakeStream(samples_of(noise_pictures(4, width=size[0], height=size[1])))
    watch = engine.open(stream, ["Is it?"])
    window, _ = next(engine.windows(stream))
    plan, output = watch.run(watch.ingest.prepare(window))
    logits = output.logits = output.logits.clone()
    think = model.tokens.id_of("<think>")
    second = int(logits[0].argmax())
    if think is None:
        assert not model.barred_ids
        return
    logits[0, think] = 1e9
    watch._settings = settings.model_copy(update={"max_text_tokens": 1})
    (written,) = watch._write(plan, output, [0]).values()
    assert written == ([second] if name == THINKING else [think])


def test_a_whole_frame_of_the_real_size_is_laid_out(model: ModelAdapter) -> None:
    geometry = model.geometry(1920, 1080, 80, None)
    segment = model.frame(Timestamp(0, 0.25, 1.0), whole(geometry), geometry)
    assert int(segment.visual.sum()) == geometry.grid.groups


def test_a_tokenizer_s_copy_without_added_tokens_leaves_it_as_it_was(model: ModelAdapter) -> None:
    tokenizer = model.tokenizer
    before = tokenizer.encode(CONTROL)
    Tokens(tokenizer).encode_plain(CONTROL)
    assert tokenizer.encode(CONTROL) == before


def test_the_published_generation_settings_are_lists(path: Path) -> None:
    """Guards the test of where answers end: a number would be another case."""
    values = json.loads((path / "generation_config.json").read_text())
    assert values.get("eos_token_id", []) in ([], [151645, 151643])
