"""Programs that are run for events."""

from __future__ import annotations

import json
import time
import tracemalloc
from pathlib import Path

import pytest

from costream.errors import DeliveryError, RejectedError
from costream.serve.config.model import CommandConfig
from costream.serve.sinks.command import CommandSink
from costream.serve.sinks.refusals import REFUSALS
from tests.serve.sinks.messages import a_message
from tests.serve.waiting import until


def a_sink(*run: str, timeout: float = 30.0) -> CommandSink:
    return CommandSink(CommandConfig(type="command", run=list(run), timeout=timeout))


def test_a_program_is_given_the_message(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = 'cat > "$0"; printf %s "$COSTREAM_DELIVERY" >> "$0"'
    message = a_message(ask="$(touch /tmp/no); `no`")
    a_sink("sh", "-c", code, str(out)).deliver(message)
    line, key = out.read_text().split("\n")
    assert json.loads(line) == message.to_dict()
    assert key == f"{message.event.id}:new"


def test_no_shell_reads_the_arguments(tmp_path: Path) -> None:
    a_sink("touch", str(tmp_path / "a;b $(c)")).deliver(a_message())
    assert [file.name for file in tmp_path.iterdir()] == ["a;b $(c)"]


def test_a_program_that_reads_nothing_is_fine() -> None:
    a_sink("true").deliver(a_message(sentence="x" * 200_000))


def test_a_program_that_fails_again_and_again_rejects() -> None:
    sink, message = a_sink("sh", "-c", "echo first >&2; echo no room >&2; exit 3"), a_message()
    for _ in range(REFUSALS - 1):
        with pytest.raises(DeliveryError, match="sh ended with status 3: no room") as caught:
            sink.deliver(message)
        assert not isinstance(caught.value, RejectedError)
    with pytest.raises(RejectedError):
        sink.deliver(message)


def test_a_program_that_asks_for_later_is_tried_for_ever() -> None:
    sink, message = a_sink("sh", "-c", "exit 75"), a_message()
    for _ in range(REFUSALS + 2):
        with pytest.raises(DeliveryError) as caught:
            sink.deliver(message)
        assert not isinstance(caught.value, RejectedError)


def test_a_program_that_is_not_there_is_tried_again() -> None:
    with pytest.raises(DeliveryError, match="nothing-of-this-name can't be started"):
        a_sink("nothing-of-this-name", "verysecret").deliver(a_message())


def test_arguments_are_masked_in_errors() -> None:
    with pytest.raises(DeliveryError) as caught:
        a_sink("sh", "-c", "echo token verysecret >&2; exit 1", "sh", "verysecret").deliver(
            a_message()
        )
    assert str(caught.value).endswith("token ***")


def test_a_program_that_is_too_slow_is_killed_with_its_children(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    sink = a_sink("sh", "-c", f"sleep 60 & echo $! > {pid}; wait", timeout=1.0)
    began = time.monotonic()
    with pytest.raises(DeliveryError, match="did not end within 1 s"):
        sink.deliver(a_message())
    assert time.monotonic() - began < 30
    child = int(pid.read_text())
    until(lambda: not _runs(child))


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_what_a_program_leaves_running_is_not_waited_for(tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    code = 'cat >> "$0"; sleep 5 & exit 0'
    begun = time.monotonic()
    a_sink("sh", "-c", code, str(lines), timeout=4).deliver(a_message())
    assert time.monotonic() - begun < 3
    assert len(lines.read_text().splitlines()) == 1


def test_what_a_program_writes_is_kept_within_bounds() -> None:
    sink = a_sink("sh", "-c", "head -c 300000000 /dev/zero >&2; echo >&2; echo no room >&2; exit 3")
    tracemalloc.start()
    try:
        with pytest.raises(DeliveryError, match=r"no room$"):
            sink.deliver(a_message())
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 10_000_000


def test_a_program_that_closes_standard_error_is_still_waited_for() -> None:
    with pytest.raises(DeliveryError, match="status 3"):
        a_sink("sh", "-c", "exec 2>&-; sleep 0.2; exit 3").deliver(a_message())
    with pytest.raises(DeliveryError, match=r"within 0\.3 s"):
        a_sink("sh", "-c", "exec 2>&-; sleep 9", timeout=0.3).deliver(a_message())
