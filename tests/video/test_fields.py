"""H.265 whose pictures are fields."""

import logging

import av
import pytest

from costream.video import Stream
from tests.video.shared import shared_input


@pytest.fixture
def fields():
    return shared_input("fields.ts")


def number(pixels):
    height, width, _ = pixels.shape
    bars = [pixels[height // 4, int((bar + 0.5) * width / 12)].mean() > 128 for bar in range(12)]
    return sum(int(bit) << place for place, bit in enumerate(bars))


@pytest.mark.parametrize("settings", [{}, {"motion": False}, {"decode": "auto"}])
def test_one_field_of_each_frame_is_shown_at_its_height(fields, settings, caplog):
    with caplog.at_level(logging.WARNING, "costream"), Stream(fields, **settings) as stream:
        info = stream.info
        samples = list(stream.samples(1000))
        health = stream.health
    assert (info.width, info.height, info.frame_rate, info.motion) == (320, 240, 25.0, "none")
    assert "coded in fields" in caplog.text
    assert (len(samples), health.frames, health.damaged) == (100, 100, 0)
    assert [number(sample.picture.rgb()) for sample in samples] == list(range(0, 200, 2))
    assert samples[0].picture.rgb().shape == (240, 320, 3)
    assert samples[5].time == pytest.approx(0.2)


def test_the_bytes_of_the_other_fields_are_counted(fields):
    with Stream(fields) as stream:
        told = sum(record.packet_bytes for record in stream.frames())
    with av.open(str(fields)) as container:
        sizes = [packet.size for packet in container.demux(video=0) if packet.size]
    # But for the last field's, which may come after the last frame.
    assert sum(sizes) - sizes[-1] <= told <= sum(sizes)
