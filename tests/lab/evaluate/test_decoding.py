"""What decoding only some pictures costs and loses, on streams that were really encoded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import av
import pytest

from costream.errors import SettingsError, SourceError
from costream.lab.evaluate.decode_case import EVERY, SIZES, DecodeCase, decode_cases
from costream.lab.evaluate.decode_stages import DECODE, READ, STAGES, StageClock
from costream.lab.evaluate.decoding import (
    MODES,
    WHOLE,
    DecodeRow,
    DecodeSetup,
    decoding_of_case,
    decoding_of_file,
)
from costream.lab.evaluate.signal_case import SignalCase, signal_cases
from costream.lab.synth import EncoderSettings
from costream.video import Stream
from costream.video.bitstream import open_reader

SMALL = SignalCase("small", EncoderSettings(gop=12), width=192, height=112, every=6.0)
ONCE = DecodeSetup(rounds=1)

needs_readers = pytest.mark.skipif(
    open_reader("h264", None) is None, reason="built without the bitstream readers"
)


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of the tests' own."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def rows(cache: Path) -> list[DecodeRow]:
    return decoding_of_case(DecodeCase(SMALL, "busy", 16.0), ONCE)


def test_every_mode_has_a_row_beside_full_decoding(rows: list[DecodeRow]) -> None:
    assert [row.mode for row in rows] == list(MODES)
    whole = rows[0]
    assert (whole.mode, whole.cost, whole.decoded, whole.same) == (WHOLE, 1, 1, 1)
    assert whole.recall == whole.full > 0.9
    assert 0.005 < whole.changed < 0.3
    assert {row.full for row in rows} == {whole.full}
    assert (whole.source, whole.codec, whole.setting, whole.activity) == (
        "synthetic", "x264", "small", "busy",
    )  # fmt: skip
    assert whole.seconds == pytest.approx(16, rel=0.01)
    assert json.loads(json.dumps([row.to_dict() for row in rows]))[0]["recall"] == whole.recall


def test_shares_of_the_time_add_up(rows: list[DecodeRow]) -> None:
    for row in rows:
        assert tuple(row.shares) == STAGES
        assert sum(row.shares.values()) == pytest.approx(1)
        assert row.shares[READ] > 0 and row.shares[DECODE] > 0
        assert row.streams > 1


@needs_readers
def test_of_a_quiet_stream_hardly_anything_is_decoded() -> None:
    quiet = replace(SMALL, every=EVERY["quiet"], drift=0.0, encoder=EncoderSettings())
    case = DecodeCase(quiet, "quiet", 8.0, repeats=7)
    whole, *others = decoding_of_case(case, ONCE)
    assert whole.seconds == pytest.approx(32, rel=0.01)
    assert whole.changed == 0
    for row in others:
        assert row.decoded < 0.3
        assert row.cost < 0.9
        assert row.recall == 1


def test_a_stream_is_rendered_once(cache: Path) -> None:
    case = DecodeCase(SMALL, "busy", 2.0)
    first = case.file(3)
    written = first.stat().st_mtime_ns
    renamed = replace(case, stream=replace(SMALL, setting="other"), activity="visits")
    assert renamed.file(3) == first and first.stat().st_mtime_ns == written
    assert first.is_relative_to(cache)
    assert [path.name for path in first.parent.iterdir()] == ["stream.mp4"]
    assert case.file(4) != first and replace(case, repeats=2).file(3) != first


def test_what_is_played_again_goes_on_from_the_second_group_of_pictures(cache: Path) -> None:
    thrice = DecodeCase(SMALL, "busy", 2.0, repeats=3)
    with av.open(str(replace(thrice, repeats=1).file(3))) as one:
        pictures = [frame.to_ndarray() for frame in one.decode(video=0)]
    with av.open(str(thrice.file(3))) as three:
        found = list(three.decode(video=0))
    order = [*range(25), *range(12, 25), *range(12, 25)]
    assert [round(frame.time * 12.5) for frame in found] == list(range(len(order)))
    assert [thrice.index(frame.time) for frame in found] == order
    for frame, index in zip(found, order, strict=True):
        assert (frame.to_ndarray() == pictures[index]).all()


def test_a_file_is_judged_by_full_decoding(cache: Path) -> None:
    path = DecodeCase(SMALL, "busy", 8.0).file(3)
    rows = decoding_of_file(path, ONCE)
    assert [row.mode for row in rows] == list(MODES)
    assert rows[0].recall == rows[0].full == rows[0].same == 1
    assert {(row.source, row.codec, row.activity) for row in rows} == {("stream.mp4", "h264", None)}
    assert all(row.height == 112 for row in rows)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        decoding_of_file(tmp_path / "nowhere.mp4", ONCE)


def test_the_clock_counts_packets_and_lets_go(cache: Path) -> None:
    path = DecodeCase(SMALL, "busy", 2.0).file(3)
    clock = StageClock()
    for running in (True, False):
        if running:
            with clock.running(), Stream(path) as stream:
                list(stream.samples(2.0))
        else:
            with Stream(path) as stream:
                list(stream.samples(2.0))
        # 25 packets, and one call more at the end of each.
        assert clock.times.calls[DECODE] == 26


def test_the_grid_holds_what_encoders_do() -> None:
    cases = decode_cases()
    assert len({case.name for case in cases}) == len(cases)
    settings = {(case.stream.codec, case.activity, case.stream.setting) for case in cases}
    for signal in signal_cases():
        assert {
            (signal.codec, activity, signal.setting) for activity in ("busy", "visits")
        } <= settings
    assert {case.stream.encoder.gop for case in cases} >= {12, 50, 250, 600}
    assert {(codec, kind, size) for codec in ("x264", "x265") for size in SIZES
            for kind in ("quiet", "visits", "busy")} <= settings  # fmt: skip
    params = " ".join(case.stream.encoder.params for case in cases)
    for named in ("open-gop=1", "intra-refresh=1", "slices=4", "ref=4", "temporal-layers=3"):
        assert named in params


def test_a_part_is_chosen_by_patterns_of_names() -> None:
    assert [case.name for case in decode_cases(["x264, quiet, 360p"])] == ["x264, quiet, 360p"]
    codecs = {case.stream.codec for case in decode_cases(["x265,*", "x264, busy, GOP 600"])}
    assert codecs == {"x264", "x265"}
    assert not decode_cases(["360p"])


def test_rows_are_drawn(rows: list[DecodeRow], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from costream.lab.evaluate.decode_plots import plot_decoding

    assert len(plot_decoding(rows, tmp_path / "settings")) == 1
    sizes = [replace(row, setting=size) for row in rows for size in SIZES]
    written = plot_decoding(sizes, tmp_path / "sizes")
    assert len(written) == 3 and all(path.stat().st_size > 5000 for path in written)


def test_without_matplotlib_plots_are_refused(
    rows: list[DecodeRow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from costream.lab.evaluate.decode_plots import plot_decoding

    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(SettingsError, match="plots"):
        plot_decoding(rows, tmp_path)
