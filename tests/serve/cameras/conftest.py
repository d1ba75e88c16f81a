from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from costream.engine.engine import Engine
from costream.models import ModelAdapter
from costream.settings import EngineSettings
from tests.serve.cameras.watching import Watching
from tests.video.cameras import RtspCamera, need_gstreamer
from tests.video.encode import encode, panning
from tests.video.films import clip_film


@pytest.fixture
def watching(model: ModelAdapter) -> Iterator[Watching]:
    engine = Engine(model, EngineSettings(fps=4, window=1, stride=0.5, frame_size=(128, 96)))
    with Watching(engine) as watching:
        yield watching


@pytest.fixture
def confirming(model: ModelAdapter) -> Iterator[Watching]:
    """A fleet whose engine confirms every yes."""
    settings = EngineSettings(fps=4, window=1, stride=0.5, frame_size=(128, 96), confirm=True)
    with Watching(Engine(model, settings)) as watching:
        yield watching


@pytest.fixture
def rtsp(tmp_path: Path) -> Iterator[RtspCamera]:
    """A fixed camera over a room; its key frames are a second apart, with B-frames between."""
    need_gstreamer()
    camera = RtspCamera(clip_film(tmp_path, "intel-one-by-one-person.mp4"))
    yield camera
    camera.thaw()
    camera.kill()


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds, to be played in a loop."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return encode(path, panning(30, (2, 1)), rate=10, gop=10, options={"preset": "ultrafast"})
