"""YAML as people write it, and as nobody should."""

from __future__ import annotations

from pathlib import Path

import pytest

from costream.serve.config.document import read_document
from costream.serve.config.load import MOST_BYTES, read_config
from costream.serve.config.nodes import Unreadable
from tests.serve.config.files import config, read, told

TRAPS = [
    ("on", "on"),
    ("no", "no"),
    ("22:00", "22:00"),
    ("2026-11-29", "2026-11-29"),
    ("010", 10),
    ("0o17", 15),
    ("0x1F", 31),
    ("1e3", 1000.0),
    ("-.5", -0.5),
    ("true", True),
    ("~", None),
    ("'12'", "12"),
    ("!!str 12", "12"),
    ("9" * 60, float("9" * 60)),
]


@pytest.mark.parametrize(("written", "value"), TRAPS, ids=[written[:12] for written, _ in TRAPS])
@pytest.mark.parametrize("version", ["", "%YAML 1.1\n---\n"], ids=["1.2", "1.1"])
def test_plain_values_are_those_of_yaml_1_2(version: str, written: str, value: object) -> None:
    found = read_document(f"{version}field: {written}\n", Path(), {})
    assert found.value == {"field": value}
    assert type(found.value["field"]) is type(value)


def test_names_are_text_whatever_they_look_like(tmp_path: Path) -> None:
    found = config(tmp_path, "cameras: {no: {url: push}, 12: {url: push}, null: {url: push}}")
    assert list(found.cameras) == ["no", "12", "null"]


def test_words_of_yaml_1_1_are_taken_where_true_or_false_is_needed(tmp_path: Path) -> None:
    found = config(tmp_path, "cameras: {a: {url: push, enabled: off}}")
    assert not found.cameras["a"].enabled


def test_times_need_no_quotes(tmp_path: Path) -> None:
    found = config(
        tmp_path,
        """
        questions: {q: {ask: Is it?, schedule: [{from: 22:00, to: 06:30}]}}
        cameras: {a: {url: push}}
        """,
    )
    period = (found.questions["q"].schedule or [])[0]
    assert (period.from_, period.to) == ("22:00", "06:30")


def test_anchors_and_merge_keys(tmp_path: Path) -> None:
    found = config(
        tmp_path,
        """
        x-base: &base {transport: udp, timeout: 3s}
        x-slow: &slow {timeout: 1m, loop: false}
        cameras:
          a: {<<: *base, url: push}
          b: {url: push, timeout: 9, <<: [*base, *slow]}
        """,
    )
    assert (found.cameras["a"].transport, found.cameras["a"].timeout) == ("udp", 3)
    assert (found.cameras["b"].transport, found.cameras["b"].timeout) == ("udp", 9)


def test_an_anchor_may_be_given_again(tmp_path: Path) -> None:
    found = config(tmp_path, "x-a: &u push\nx-b: &u push\ncameras: {a: {url: *u}}")
    assert found.cameras["a"].url == "push"


def test_parts_with_nothing_in_them_are_as_if_they_were_not_there(tmp_path: Path) -> None:
    found = config(tmp_path, "questions:\nsinks:\nserver:\n  hosts:\ncameras:\n  a: {url: push}\n")
    assert found.questions == {} and found.server.hosts == []


LAUGHS = "x-0: &a0 [ha, ha]\n" + "".join(
    f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)

UNREADABLE = [
    ("", "cameras.yaml: it is empty"),
    ("# nothing\n", "cameras.yaml: it is empty"),
    ("- a\n- b\n", "cameras.yaml:1: fields such as cameras: are needed at the top"),
    ("just text\n", "cameras.yaml:1: fields such as cameras: are needed at the top"),
    ("cameras:\n\ta: 1\n", "cameras.yaml:2: a tab stands where YAML takes spaces"),
    ("a: 1\n---\nb: 2\n", "cameras.yaml:2: a second document begins here (---)"),
    ("a: [1, 2\nb: 3\n", "cameras.yaml:2: this is no YAML: expected ',' or ']'"),
    ("a: *there\n", "cameras.yaml:1: this is no YAML: found undefined alias 'there'"),
    ("a: 1\nb: c: d\n", "cameras.yaml:2: a colon or an indentation that YAML can't read"),
    ("a: 1\nb: \x01\n", "cameras.yaml:2: this is no YAML: a control character"),
    ("a: &a [*a]\n", "cameras.yaml:1: an anchor (&) stands within itself"),
    (f"a: {'[' * 3000}", "cameras.yaml: this is no YAML: values within values"),
    (f"a: {'[' * 60}{']' * 60}", "cameras.yaml:1: values within values, too deep"),
    (f"{LAUGHS}a: *a9\n", "what its anchors (&) are put in for is too much to read"),
]


@pytest.mark.parametrize(("text", "message"), UNREADABLE, ids=range(len(UNREADABLE)))
def test_what_is_no_configuration_at_all_is_told_in_a_line(
    tmp_path: Path, text: str, message: str
) -> None:
    lines = told(read(tmp_path, text))
    assert len(lines) == 1
    assert message in lines[0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"cameras:\n  a: {name: caf\xe9}\n", "cameras.yaml:2: this is not UTF-8"),
        ("cameras: {}".encode("utf-16"), "cameras.yaml:1: this is not UTF-8"),
        (b"# " + b"x" * 10_000_000, "cameras.yaml: it is larger than 1 MiB"),
    ],
)
def test_bytes_that_are_no_configuration(tmp_path: Path, data: bytes, message: str) -> None:
    file = tmp_path / "cameras.yaml"
    file.write_bytes(data)
    lines = told(read_config(file, {}))
    assert len(lines) == 1 and lines[0].startswith(message)


def test_a_byte_order_mark_is_no_matter(tmp_path: Path) -> None:
    file = tmp_path / "cameras.yaml"
    file.write_bytes(b"\xef\xbb\xbfcameras: {a: {url: push}}\n")
    assert read_config(file, {}).config is not None


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert told(read_config(tmp_path / "none.yaml", {})) == [
        "cameras.yaml: it can't be read: no such file or directory"
    ]


def test_laughs_cost_no_more_than_what_is_allowed() -> None:
    with pytest.raises(Unreadable):
        read_document(f"{LAUGHS}a: *a9\n", Path(), {})
    assert len(LAUGHS) < MOST_BYTES / 1000
