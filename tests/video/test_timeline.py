"""Stamps that jump, and what becomes of them."""

import itertools
from fractions import Fraction

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costream.errors import SourceError
from costream.video import Stream
from costream.video.timeline import FILE_LOOK, REAL_TIME_LOOK, REAL_TIME_RUN, Timeline
from tests.video.encode import encode, panning
from tests.video.joined import join_flv

RATE = 25


def packets(seconds, delay=0.0):
    """Packets decoded at those seconds, None without a stamp, and displayed a delay later."""
    made = []
    for second in seconds:
        packet = av.Packet(1)
        packet.time_base = Fraction(1, 1000)
        if second is not None:
            packet.dts = round(1000 * second)
            packet.pts = round(1000 * (second + delay))
        made.append(packet)
    return made


class WallClock:
    """Goes on as packets are taken from a source."""

    def __init__(self):
        self.time = 0.0

    def arrivals(self, made, gaps):
        for packet, gap in zip(made, gaps, strict=True):
            self.time += gap
            yield packet


def settled(seconds, *, real_time=False, gaps=None, **options):
    """Decoding stamps in seconds after correction, from the first one on."""
    made, wall = packets(seconds), WallClock()
    gaps = gaps or [1 / RATE] * len(made)
    timeline = Timeline(1e-3, 1 / RATE, real_time=real_time, now=lambda: wall.time, **options)
    done = list(timeline.settle(itertools.chain(wall.arrivals(made, gaps), [None])))
    assert done[:-1] == made
    assert done[-1] is None
    return [packet.dts / 1000 for packet in made]


def steady(count, start=0.0):
    return [start + number / RATE for number in range(count)]


def spoilt(count, where, by):
    """Steady stamps, but for those at some places."""
    return [each + by * (number in where) for number, each in enumerate(steady(count))]


@pytest.mark.parametrize("real_time", [False, True])
def test_steady_stamps_are_left_alone(real_time):
    assert settled(steady(300, 7.0), real_time=real_time) == pytest.approx(steady(300, 7.0))


@pytest.mark.parametrize("real_time", [False, True])
@pytest.mark.parametrize("by", [0.8, 9.0, -9.0, 3600.0, -7200.0, 95443.7])
def test_an_outlier_is_undone(real_time, by):
    seconds = spoilt(120, {50, 90}, by)
    assert settled(seconds, real_time=real_time) == pytest.approx(steady(120), abs=2e-3)


@pytest.mark.parametrize(
    ("real_time", "run"), [(False, 2), (False, 20), (False, 45), (True, REAL_TIME_RUN)]
)
@pytest.mark.parametrize("by", [9.0, -9.0, 7200.0])
def test_a_run_of_outliers_is_undone(real_time, run, by):
    seconds = spoilt(150, set(range(60, 60 + run)), by)
    assert settled(seconds, real_time=real_time) == pytest.approx(steady(150), abs=2e-3)


def test_outliers_of_all_kinds_at_once():
    seconds = spoilt(100, {40}, 5.0)
    seconds[41], seconds[42] = -300.0, 1e5
    assert settled(seconds) == pytest.approx(steady(100), abs=2e-3)


def test_every_fiftieth_picture_nine_seconds_ahead():
    seconds = spoilt(500, set(range(49, 500, 50)), 9.0)
    assert settled(seconds, length=20.0) == pytest.approx(steady(500), abs=2e-3)


def test_time_lapse_is_true():
    seconds = [30.0 * number for number in range(20)]
    assert settled(seconds) == pytest.approx(seconds)


@pytest.mark.parametrize("pause", [0.7, 9.0, 60.0, 86400.0])
def test_a_pause_in_a_file_is_true(pause):
    seconds = [*steady(80), *steady(80, 80 / RATE + pause)]
    assert settled(seconds) == pytest.approx(seconds)


def test_a_pause_before_the_last_picture_of_a_file_is_true():
    seconds = [*steady(80), 33.0]
    assert settled(seconds) == pytest.approx(seconds)
    assert settled(seconds, length=33.0) == pytest.approx(seconds)


def test_a_last_picture_behind_the_stated_end_is_not():
    assert settled([*steady(80), 33.0], length=3.24) == pytest.approx(steady(81))


@pytest.mark.parametrize("real_time", [False, True])
@pytest.mark.parametrize("start", [0.0, -500.0, 1.5])
def test_stamps_that_begin_again_go_on(real_time, start):
    seconds = [*steady(100), *steady(100, start), *steady(100, start)]
    assert settled(seconds, real_time=real_time) == pytest.approx(steady(300), abs=2e-3)


@pytest.mark.parametrize("real_time", [False, True])
def test_the_counter_of_a_transport_stream_wraps(real_time):
    wrap = 2**33 / 90e3
    seconds = [each % wrap for each in steady(200, wrap - 4.0)]
    got = settled(seconds, real_time=real_time, wrap=wrap)
    assert got == pytest.approx(steady(200, wrap - 4.0), abs=2e-3)


def test_a_live_clock_that_is_set_ahead_costs_one_interval():
    seconds = [*steady(100), *steady(100, 5000.0)]
    assert settled(seconds, real_time=True) == pytest.approx(steady(200), abs=2e-3)


@pytest.mark.parametrize("pause", [8.0, 60.0])
def test_a_live_pause_is_true_where_the_wall_clock_agrees(pause):
    seconds = [*steady(100), *steady(100, 4.0 + pause)]
    gaps = [1 / RATE] * 100 + [pause] + [1 / RATE] * 99
    assert settled(seconds, real_time=True, gaps=gaps) == pytest.approx(seconds)


def test_a_short_gap_that_a_network_buffered_is_true():
    seconds = [*steady(100), *steady(100, 9.0)]
    assert settled(seconds, real_time=True) == pytest.approx(seconds)


def test_a_live_time_lapse_is_true():
    seconds = [30.0 * number for number in range(20)]
    assert settled(seconds, real_time=True, gaps=[30.0] * 20) == pytest.approx(seconds)


def test_a_live_source_is_not_waited_for():
    """A packet behind a pause that the wall clock confirms is given at once, others soon."""
    wall, given = WallClock(), []
    made = packets([*steady(50), *steady(50, 30.0), *steady(50, 9000.0)])
    gaps = [1 / RATE] * 50 + [28.0] + [1 / RATE] * 99
    taken = 0

    def source():
        nonlocal taken
        for packet in wall.arrivals(made, gaps):
            taken += 1
            yield packet

    for packet in Timeline(1e-3, 1 / RATE, real_time=True, now=lambda: wall.time).settle(source()):
        given.append(packet)
        assert taken - len(given) <= REAL_TIME_RUN
    assert given == made


def test_what_is_held_back_is_bounded():
    made, taken = packets([(-1) ** n * n for n in range(400)]), 0
    for real_time, bound in ((False, FILE_LOOK), (True, REAL_TIME_LOOK)):
        taken = given = 0

        def source():
            nonlocal taken
            for packet in made:
                taken += 1
                yield packet

        for _ in Timeline(1e-3, 1 / RATE, real_time=real_time).settle(source()):
            given += 1
            assert taken - given <= bound
        assert given == 400


def test_what_was_held_back_is_given_before_the_error():
    def source():
        yield from packets([*steady(10), 9.0])
        raise SourceError("the camera stopped")

    given = []
    with pytest.raises(SourceError, match="the camera stopped"):
        given.extend(Timeline(1e-3, 1 / RATE, real_time=True).settle(source()))
    # `extend` keeps what came before the error.
    assert len(given) == 11


@pytest.mark.parametrize("by", [-100.0, 5000.0])
def test_a_live_source_without_decoding_stamps_is_judged_by_presentation_stamps(by):
    made = packets([*steady(100), *steady(100, by)])
    # Every third frame is displayed behind the next two.
    order = [0, 3, 1, 2]
    pts = [packet.pts for packet in made]
    for at in range(0, 200, 4):
        for number, packet in enumerate(made[at : at + 4]):
            packet.pts, packet.dts = pts[at + order[number]], None
    list(Timeline(1e-3, 1 / RATE, real_time=True).settle(iter(made)))
    got = sorted(packet.pts for packet in made)
    assert got == pytest.approx([1000 * each for each in steady(200)], abs=130)
    assert all(packet.dts is None for packet in made)


def test_packets_without_stamps_pass():
    made = packets([None] * 5)
    assert list(Timeline(1e-3, 1 / RATE, real_time=False).settle(iter(made))) == made
    assert all(packet.dts is packet.pts is None for packet in made)


def test_a_presentation_stamp_far_from_its_decoding_stamp_is_replaced():
    made = packets(steady(40), delay=0.08)
    made[20].pts += 9000
    list(Timeline(1e-3, 1 / RATE, real_time=False).settle(iter(made)))
    assert [packet.pts - packet.dts for packet in made] == [80] * 40


@given(
    st.lists(st.one_of(st.none(), st.floats(-1e5, 1e5)), min_size=1, max_size=150),
    st.booleans(),
)
def test_no_packet_is_lost_and_none_overtakes(seconds, real_time):
    made = packets(seconds)
    given_back = list(
        Timeline(1e-3, 1 / RATE, real_time=real_time, wrap=95443.7).settle(iter(made))
    )
    assert given_back == made


@pytest.mark.parametrize("decode", ["all", "auto"])
def test_outliers_in_a_file(tmp_path, decode):
    whole = encode(tmp_path / "whole.mp4", panning(100, (1, 0)), options={"bf": "0"})
    path = join_flv(tmp_path / "out.flv", whole, move=lambda number: 9.0 * (number in (30, 60)))
    with Stream(path, decode=decode) as stream:
        samples = list(stream.samples(5))
    assert samples[-1].time == pytest.approx(3.8, abs=0.05)
    assert len(samples) == 20
