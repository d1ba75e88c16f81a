"""Processes of ours: what they log and what ends them is told here."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from costream.engine.child import Body, Child, End, Line
from costream.errors import ChildError, SourceLostError


def talk(lines: Sequence[Line], greeting: str) -> None:
    logging.getLogger("costream").warning("%s, %d lines", greeting, len(lines))
    for number, line in enumerate(lines):
        line.send((number, line.receive()))
    lines[0].end(SourceLostError("the first is lost"))
    raise FileNotFoundError(2, "no such file", "x.mp4")


def hears(lines: Sequence[Line]) -> None:
    lines[0].send("ready")
    lines[0].receive()


def talks(lines: Sequence[Line]) -> None:
    while True:
        lines[0].send("ready")


def ends(lines: Sequence[Line]) -> None:
    lines[0].send("ready")
    with suppress(EOFError):
        lines[0].connection.recv()


@pytest.mark.parametrize("body", [hears, talks, ends])
def test_a_parent_that_has_gone_leaves_a_child_nothing_to_say(
    body: Body, capfd: pytest.CaptureFixture[str]
) -> None:
    with closing(Child(body, (), "a child")) as child:
        assert child.receive() == "ready"
        child.connections[0].close()
        assert "a child ended with status 1" in str(child.receive().error)
    assert capfd.readouterr().err == ""


def fail(lines: Sequence[Line]) -> None:
    raise ZeroDivisionError("half-way")


def test_each_line_has_its_messages_and_its_end_and_the_log_is_ours(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with closing(Child(talk, ("hello",), "a child", lines=2)) as child:
        assert child.send("one") and child.send("two", 1)
        assert [child.receive(n) for n in range(2)] == [(0, "one"), (1, "two")]
        first, second = child.receive(0), child.receive(1)
        # Who died is told after the last message, for as long as it is asked.
        assert "a child ended with status 0" in str(child.receive(0).error)
        assert not child.send("three")
    assert isinstance(first, End) and isinstance(second, End)
    assert isinstance(first.error, SourceLostError) and str(first.error) == "the first is lost"
    assert isinstance(second.error, FileNotFoundError) and second.error.filename == "x.mp4"
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("WARNING", "hello, 2 lines")
    ]


def test_an_error_that_nobody_foresaw_is_told_in_a_sentence() -> None:
    with closing(Child(fail, (), "a child")) as child:
        error = child.receive().error
    assert isinstance(error, ChildError)
    assert "ZeroDivisionError('half-way')" in str(error)


def test_children_that_were_closed_leave_no_handle() -> None:
    def handles() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    Child(_says_nothing, (), "a child").close()  # what all children share stays
    before = handles()
    with without_collector():
        child = Child(_says_nothing, (), "a child")
        child.close()
        child.close()
        assert handles() == before
    assert child.ended and child.pid is not None


def _says_nothing(lines: Sequence[Line]) -> None:
    """The body of a child."""


@contextmanager
def without_collector() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
