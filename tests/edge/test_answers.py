"""The answers to a camera whose edge has a bad line are those to the camera itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from costream.engine.engine import Engine
from costream.engine.result import Result
from costream.errors import SourceError
from costream.models import ModelAdapter
from costream.serve.cameras.edge import EdgeConnect
from costream.settings import EngineSettings
from costream.video import LiveStream, Stream
from tests.edge.lossy import LossyNetwork
from tests.edge.rig import PATIENCE, Edge, EdgeBackend, Line, hang_up, until

ASK = ["Is anybody there?", "Is it dark?"]
SETTINGS = EngineSettings.checked(fps=2, window=4, stride=2, frame_size=(128, 96))
PUSH = "/api/cameras/door/push"
SPEED = 25


def told(result: Result) -> tuple[object, ...]:
    """What a watcher is told of a window, but for times and counts of this machine."""
    answers = [(answer.text, answer.score) for answer in result.answers]
    tokens = result.tokens
    return result.index, result.start, result.end, answers, tokens.kept, tokens.carried


class Watching(threading.Thread):
    """An engine on what an edge sends."""

    def __init__(self, backend: EdgeBackend, model: ModelAdapter) -> None:
        super().__init__(daemon=True)
        self._connect = EdgeConnect(backend.port.path, "door")
        self._stream = LiveStream(self._connect, patience=PATIENCE)
        self.results: list[tuple[object, ...]] = []
        self._engine = Engine(model, SETTINGS)
        self.start()

    def run(self) -> None:
        with suppress(SourceError):
            for result in self._engine.watch(self._stream, ASK):
                self.results.append(told(result))

    def end(self) -> None:
        hang_up(self._stream, self._connect)
        self.join(PATIENCE)
        assert not self.is_alive()


def cut(line: Line) -> None:
    line.cut.set()
    time.sleep(60 / SPEED)
    line.cut.clear()


def fill(line: Line) -> None:
    line.rate = 4000.0
    time.sleep(60 / SPEED)
    line.rate = None


def lose(line: Line) -> None:
    line.loss = 0.05


@pytest.fixture(scope="module")
def expected(long: Path, model: ModelAdapter) -> list[tuple[object, ...]]:
    with Stream(long, motion=False, decode="auto") as stream:
        results = [told(result) for result in Engine(model, SETTINGS).watch(stream, ASK)]
    assert len({str(one[3]) for one in results}) > 3, "all windows are answered alike"
    return results


@pytest.fixture
def watching(backend: EdgeBackend, model: ModelAdapter) -> Iterator[Watching]:
    watching = Watching(backend, model)
    yield watching
    watching.end()


@pytest.mark.parametrize("fail", [cut, fill, lose])
def test_answers_are_those_at_the_camera(
    watching: Watching, url: str, long: Path, expected: list[tuple[object, ...]], fail
) -> None:
    with closing(Line(url)) as line:
        edge = Edge(long, f"{line.url}{PUSH}", decode="auto", speed=SPEED)
        until(lambda: len(watching.results) > 3)
        fail(line)
        until(lambda: len(watching.results) >= len(expected))
        edge.stop()
    assert watching.results[: len(expected)] == expected
    assert not edge.errors and edge.account.left == 0


def test_they_are_so_over_a_network_that_loses_packets(
    watching: Watching, url: str, long: Path, expected: list[tuple[object, ...]]
) -> None:
    with LossyNetwork(url, loss=0.05) as network:
        edge = Edge(long, f"{network.url}{PUSH}", decode="auto", speed=SPEED)
        until(lambda: len(watching.results) >= len(expected))
        edge.stop()
    assert watching.results[: len(expected)] == expected
    assert not edge.errors and edge.account.left == 0 and network.lost
