"""A sentence about a camera: one, bounded, and never a decision."""

from __future__ import annotations

import logging

import pytest

from costream.engine.replies import Replies
from costream.models import ModelAdapter, load_model
from costream.serve.describe import describe, sentence_of
from tests.engine.inquiring import Held
from tests.engine.test_scheduler import ASKS, Absent, engine_of
from tests.fakes import noise_pictures


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Yes. Two people are fighting and hit each other.", "Two people are fighting and hit "
         "each other."),
        ("No, nobody is there. The yard is empty.", "Nobody is there."),
        ("yes", None),
        ("  ", None),
        ("Nobody moves.", "Nobody moves."),
        ("A car at 2.5 metres", "A car at 2.5 metres"),
        ("Yesterday's news. More.", "Yesterday's news."),
        ("Notice: a bag\nstands there!", "Notice: a bag stands there!"),
    ],
)  # fmt: skip
def test_a_sentence_has_no_verdict_and_no_second_one(text: str, sentence: str | None) -> None:
    assert sentence_of(text) == sentence


def test_a_camera_is_described(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera, absent = Held(noise_pictures(12)), Absent(1)
    model: ModelAdapter = load_model("costream/tiny", device="cpu")
    with engine_of(model).session() as session:
        handle, other = session.add(camera, ASKS), session.add(absent, ASKS)
        next(iter(handle))
        said = describe(handle, ASKS[0], model="costream/tiny")
        assert said and not said.lower().startswith(("yes", "no "))
        with monkeypatch.context() as patched:
            patched.setattr(Replies, "turn", lambda *_: False)
            assert describe(handle, ASKS[0], model="another", patience=0.0) is None
        with caplog.at_level(logging.WARNING):
            assert describe(other, ASKS[0], model="another") is None
        assert "no window yet" in caplog.text
        camera.over.set()
        absent.here.set()
    assert describe(handle, ASKS[0], model="another") is None
