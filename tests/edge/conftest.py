"""Streams under test, made by real encoders, and the receiver that they are sent to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.edge.rig import PATIENCE, EdgeBackend, Reader, server
from tests.serve import fake_pictures
from tests.serve.api.conftest import served
from tests.video.encode import encode, texture

SIZE = (144, 192)


def hall(seconds: float, rate: int = 10, busy: tuple[tuple[float, float], ...] = ()) -> list:
    """A still scene through which something walks, from one second to another."""
    still = texture(*SIZE, seed=5)
    pictures = []
    for number in range(round(seconds * rate)):
        picture, time = still, number / rate
        for begin, end in busy:
            if begin <= time < end:
                picture = picture.copy()
                x = 8 + int(120 * (time - begin) / (end - begin))
                picture[40:104, x : x + 40] = 230
        pictures.append(picture)
    return pictures


@pytest.fixture(scope="session")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a minute; somebody passes twice. An IDR picture every three seconds."""
    path = tmp_path_factory.mktemp("edge") / "quiet.mp4"
    pictures = hall(30, busy=((8, 10), (20.2, 22)))
    return encode(path, pictures, rate=10, gop=30, options={"bf": "0"})


@pytest.fixture(scope="session")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute and a half; somebody passes every ten seconds."""
    path = tmp_path_factory.mktemp("edge") / "long.mp4"
    pictures = hall(90, busy=tuple((at, at + 1.6) for at in range(6, 90, 10)))
    return encode(path, pictures, rate=10, gop=30, options={"bf": "0"})


@pytest.fixture(scope="session")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty seconds of noise and movement, B-frames and all."""
    draw = np.random.default_rng(1)
    pictures = [
        np.clip(p.astype(int) + draw.integers(-20, 20, p.shape), 0, 255).astype(np.uint8)
        for p in hall(20, busy=((0, 10), (10, 20)))
    ]
    path = tmp_path_factory.mktemp("edge") / "busy.mp4"
    return encode(path, pictures, rate=10, gop=40, b_frames=2)


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[EdgeBackend]:
    clip = fake_pictures.write_clip(tmp_path / "clip.mp4", seconds=1)
    backend = EdgeBackend(tmp_path, clip)
    yield backend
    while Reader.made:
        reader = Reader.made.pop()
        reader.end()
        reader.join(PATIENCE)
    backend.port.close()


@pytest.fixture
def url(backend: EdgeBackend) -> Iterator[str]:
    with served(backend, server()) as address:
        yield address
