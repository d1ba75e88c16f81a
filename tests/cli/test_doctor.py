from __future__ import annotations

import json
import sys
from importlib.metadata import version

import pytest

from costream.cli import installation
from tests.cli.conftest import Command

LINES = [
    "costream", "system", "packages", "FFmpeg", "readers",
    "devices", "threads", "memory", "locale", "unusual",
]  # fmt: skip


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nothing were set that changes what runs."""
    for name in (*installation.CHANGING, *installation.THREAD_VARIABLES):
        monkeypatch.delenv(name, raising=False)


def told(costream: Command) -> dict[str, str]:
    result = costream("doctor", "--json")
    assert (result.status, result.err) == (0, "")
    lines: dict[str, str] = json.loads(result.out)
    return lines


def test_it_tells_ten_lines(costream: Command) -> None:
    result = costream("doctor")
    assert (result.status, result.err) == (0, "")
    assert [line.split()[0] for line in result.out.splitlines()] == LINES


def test_it_tells_versions_threads_and_readers(costream: Command) -> None:
    lines = told(costream)
    assert list(lines) == LINES
    assert version("costream") in lines["costream"]
    for package in ("torch", "transformers", "av"):
        assert f"{package} {version(package)}" in lines["packages"]
    assert "libavcodec" in lines["FFmpeg"]
    assert f"torch takes {sys.modules['torch'].get_num_threads()} on" in lines["threads"]
    assert "2 embedded models" in lines["locale"]


def test_missing_readers_are_unusual(costream: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "costream._bitstream", None)
    lines = told(costream)
    assert lines["readers"] == "not built"
    assert "no bitstream readers, install with a C++ compiler" in lines["unusual"]


def test_missing_native_preprocessing_is_unusual(
    costream: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "costream._pixels", None)
    assert "no native preprocessing, which is slower" in told(costream)["unusual"]


def test_a_package_that_is_broken_is_told(
    costream: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    lines = told(costream)
    assert lines["devices"] == "unknown"
    assert "torch can't be imported: " in lines["unusual"]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ("5.19.0", "transformers 5.19.0 is not within"),
        ("99.0", "transformers 99.0 is not within"),
        (None, "transformers is missing"),
    ],
)
def test_a_version_outside_its_bounds_is_told(
    costream: Command, monkeypatch: pytest.MonkeyPatch, found: str | None, message: str
) -> None:
    really = installation._version
    monkeypatch.setattr(
        installation, "_version", lambda name: found if name == "transformers" else really(name)
    )
    assert message in told(costream)["unusual"]


def test_what_is_set_is_told(costream: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr("torch.get_num_threads", lambda: 99)
    lines = told(costream)
    assert "CUDA_VISIBLE_DEVICES=7 is set" in lines["unusual"]
    assert "torch takes 99 threads on" in lines["unusual"]
    assert "OMP_NUM_THREADS=3" in lines["threads"]
    assert "hf_secret" not in json.dumps(lines)


def test_a_source_tree_that_was_never_installed_is_told(
    costream: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> object:
        raise installation.PackageNotFoundError(name)

    monkeypatch.setattr(installation, "distribution", missing)
    assert "costream is not installed" in told(costream)["unusual"]
