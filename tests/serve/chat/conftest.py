"""What the tests of the chat share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import OpenAI

from costream.lab.synth import EncoderSettings, SyntheticCamera, encode
from costream.models import ModelAdapter
from costream.serve.api.chat_sent import SentVideos
from tests.engine.inquiring import Held
from tests.engine.test_scheduler import ASKS, engine_of
from tests.fakes import noise_pictures
from tests.serve.chat.service import Service, served


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    camera = SyntheticCamera(seed=1, width=320, height=192, fps=10)
    return encode(
        (camera.frame(n) for n in range(90)),
        tmp_path_factory.mktemp("video") / "video.mp4",
        fps=10,
        settings=EncoderSettings(preset="ultrafast"),
    )


@pytest.fixture(scope="module")
def service(model: ModelAdapter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    engine, camera = engine_of(model), Held(noise_pictures(12))
    with engine.session() as session:
        yard = session.add(camera, ASKS)
        next(iter(yard))
        yield Service(engine, session, tmp_path_factory.mktemp("data"), {"yard": yard})
        camera.over.set()


@pytest.fixture(scope="module")
def url(service: Service) -> Iterator[str]:
    with served(service, SentVideos(service)) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=60) as client:
        yield client
