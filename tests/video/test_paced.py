"""A file that is played as a camera's stream comes."""

from itertools import islice, pairwise
from time import monotonic

from costream.video import Stream
from costream.video.paced import PacedStream
from costream.video.packet_ring import PacketRing, RingLimits
from tests.video.encode import encode, panning


def test_frames_come_when_they_are_due_and_the_file_begins_again(tmp_path) -> None:
    path = encode(tmp_path / "a.mp4", panning(20), rate=10, gop=10)
    ring, begun = PacketRing(RingLimits(60, 1 << 24)), monotonic()
    stream = PacedStream(path, loop=True, motion=False)
    stream.ring = ring
    with stream:
        samples = list(islice(stream.samples(5), 25))
        assert stream.info.live and stream.info.awaited and stream.is_live
    assert monotonic() - begun > 4.7
    assert [sample.tick for sample in samples] == list(range(25))
    assert all(a.time < b.time for a, b in pairwise(samples))
    assert (samples[1].picture.rgb() == samples[11].picture.rgb()).all()
    packets = ring.since(begun + 3.0)
    assert packets[0].key and begun + 1.0 < packets[0].received <= begun + 3.0
    assert ring.after(packets[-2].number) == packets[-1:]
    assert ring.since(0.0) == [packet for group in ring.groups() for packet in group]
    assert ring.received == sum(len(packet.data) for packet in ring.since(0.0))


def test_without_a_loop_it_is_a_file_that_takes_its_time(tmp_path) -> None:
    path = encode(tmp_path / "a.mp4", panning(10), rate=10)
    begun = monotonic()
    with PacedStream(path) as stream, Stream(path) as plain:
        assert not stream.info.live and not stream.info.awaited
        found = [sample.tick for sample in stream.samples(5)]
        assert found == [sample.tick for sample in plain.samples(5)]
    assert monotonic() - begun > 0.8
