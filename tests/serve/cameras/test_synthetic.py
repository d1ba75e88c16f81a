"""Cameras over the synthetic world."""

from __future__ import annotations

import pickle
import threading

from costream.serve.cameras.connect import CameraConnect
from costream.serve.cameras.synthetic import EndlessCamera
from costream.serve.config.model import CameraConfig
from tests.serve.cameras.watching import SOON


def test_events_happen_now_and_then_and_everything_happens_again() -> None:
    world = EndlessCamera("fall", 3)._world
    starts = [event.start for event in world.events]
    assert len(starts) == 40 and all(event.kind == "fall" for event in world.events)
    assert starts[0] < 90
    assert not EndlessCamera("quiet", 3)._world.events
    assert len({event.kind for event in EndlessCamera("programme", 3)._world.events}) == 8
    camera = EndlessCamera("fall", 3, size=(64, 36))
    assert (camera.frame(5) == camera.frame(36_005)).all()


def test_it_is_read_as_a_live_camera_is() -> None:
    connect = CameraConnect(CameraConfig(url="synthetic:fall:3"), "door", False, "local")
    with pickle.loads(pickle.dumps(connect))() as stream:
        assert stream.info.live and stream.info.source == "synthetic:fall:3"
        assert (stream.info.width, stream.info.height) == (640, 360)
        samples = [sample for sample, _ in zip(stream.samples(2), range(3), strict=False)]
        assert [sample.tick for sample in samples] == [0, 1, 2]
    for thread in threading.enumerate():
        if thread.name == "live-camera":
            thread.join(SOON)
            assert not thread.is_alive()
