"""``costream bench capacity``, through the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.video.encode import encode, still

KEYS = {
    "streams", "windows_per_s", "real_time_streams", "lag_p50_s", "lag_p95_s", "delay_p50_s",
    "delay_p95_s", "stream_bytes", "peak_bytes", "seconds", "floor_share", "workers", "windows",
    "busy_windows_per_s", "busy_share",
}  # fmt: skip


def test_a_row_of_every_number_of_streams(costream: Command, tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    encode(path, still(110, size=(96, 160)), rate=5)
    args = ["--source", path, "--streams", "1", "--seconds", "2.5", "--plots", tmp_path / "plots"]
    done = costream("bench", "capacity", *args, "--json", "--device", "cpu")
    assert done.status == 0
    (row,) = json.loads(done.out)
    assert set(row) == KEYS
    assert set(row["seconds"]) == {"decode", "prune", "vision", "prefill", "other"}
    assert (row["streams"], row["workers"]) == (1, 1)
    assert row["real_time_streams"] == pytest.approx(2 * row["windows_per_s"])
    assert 0 < row["delay_p50_s"] <= row["delay_p95_s"]
    assert 0 <= row["lag_p50_s"] <= row["lag_p95_s"] < row["delay_p95_s"]
    assert row["stream_bytes"] > 1e5 and row["peak_bytes"] > 1e8
    assert sum(row["seconds"].values()) == pytest.approx(1 / row["windows_per_s"], rel=0.05)
    assert row["busy_share"] is None
    assert len(list((tmp_path / "plots").glob("*.png"))) == 3


@pytest.mark.parametrize("streams", ["0", "1,x", "", "-2", "1.5"])
def test_numbers_of_streams_are_checked_first(
    costream: Command, tmp_path: Path, streams: str
) -> None:
    done = costream("bench", "capacity", "--source", tmp_path / "absent.mp4", "--streams", streams)
    assert done.status == 1 and "--streams takes whole numbers such as 1,4,8" in done.err
