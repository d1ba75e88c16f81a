from __future__ import annotations

import logging

import pytest

from costream import Engine
from costream.embedded import warn_of_embedded
from tests.fakes import FakeStream, noise_pictures, samples_of


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize("name", ["costream/tiny", "costream/tiny-internvl"])
def test_an_embedded_model_says_what_it_knows_and_what_a_real_one_takes(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    warn_of_embedded(name, "shop.mp4", [])
    (message,) = said(caplog)
    assert message.startswith(f"{name} knows nine questions about a synthetic world")
    assert "what it says of shop.mp4 means nothing" in message
    assert "Qwen/Qwen3-VL-2B-Instruct: it takes 4 GiB" in message and "GPU" in message


def test_a_question_that_it_does_not_know_is_named(caplog: pytest.LogCaptureFixture) -> None:
    warn_of_embedded("costream/tiny", "world.mp4", ["Is it raining?"], synthetic=True)
    (message,) = said(caplog)
    assert "what it says of 'Is it raining?' means nothing" in message


def test_nothing_is_said_of_what_it_knows_nor_of_other_models(
    caplog: pytest.LogCaptureFixture,
) -> None:
    warn_of_embedded("costream/tiny", "world.mp4", [], synthetic=True)
    warn_of_embedded("Qwen/Qwen3-VL-2B-Instruct", "shop.mp4", ["Is it raining?"])
    assert said(caplog) == []


def test_an_engine_of_the_library_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    engine = Engine.from_pretrained(device="cpu", window=2, stride=1)
    stream = FakeStream(samples_of(noise_pictures(8)))
    assert len(list(engine.watch(stream, ["Is someone fighting?"]))) == 3
    assert len(said(caplog)) == 1
