"""What a decoder may read behind a packet."""

import ctypes

import numpy as np
import pytest

from costream.video.padded_packet import padded_packet

PADDING = 64
"""FFmpeg's AV_INPUT_BUFFER_PADDING_SIZE."""


@pytest.mark.parametrize("size", [1, 63, 64, 1000, 100_001])
def test_zeros_lie_behind_a_packet(size: int) -> None:
    data = b"\xff" * size
    for packet in [padded_packet(data) for _ in range(20)]:
        start = np.frombuffer(memoryview(packet), np.uint8).ctypes.data
        assert ctypes.string_at(start, size + PADDING) == data + bytes(PADDING)


def test_a_packet_of_nothing_is_one() -> None:
    assert padded_packet(b"").size == 0
