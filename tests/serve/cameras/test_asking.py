"""What the engine is asked for the questions before a camera."""

from __future__ import annotations

from costream.engine.asks import Ask
from costream.serve.cameras.asking import Asking, asks_of
from tests.serve.cameras.watching import question


def test_the_same_is_asked_once_with_every_score_that_alerts() -> None:
    questions = [
        question("a", "Is it?", threshold=0.8),
        question("b", " Is it? ", threshold=0.3),
        question("c", "Is there fire?"),
    ]
    assert asks_of(questions) == (Ask("Is it?", None, (0.3, 0.8)), Ask("Is there fire?"))


def test_the_engine_is_told_of_another_score_that_alerts() -> None:
    asking = Asking()
    assert asking.change([question("a", threshold=0.8)])
    assert not asking.change([question("renamed", threshold=0.8)])
    assert asking.change([question("renamed", threshold=0.7)])
