from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from costream.serve.systemd import Notifier


@pytest.fixture(params=["file", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket that listens as systemd does, and its address."""
    name = str(tmp_path / "notify") if request.param == "file" else f"@costream-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name[1:]}" if name.startswith("@") else name)
        listening.settimeout(10)
        yield listening, name


def test_systemd_is_told(systemd: tuple[socket.socket, str]) -> None:
    listening, name = systemd
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.ready()
    notifier.alive()
    notifier.status("4 cameras,\nall well")
    notifier.reloading()
    notifier.stopping()
    told = [listening.recv(200).decode() for _ in range(5)]
    assert told[:3] == ["READY=1", "WATCHDOG=1", "STATUS=4 cameras, all well"]
    assert told[3].startswith("RELOADING=1\nMONOTONIC_USEC=") and told[4] == "STOPPING=1"


def test_without_systemd_nobody_is_told() -> None:
    notifier = Notifier({})
    notifier.ready()
    assert notifier.watchdog is None


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "60000000"}, 60),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_s_time(environment: dict[str, str], seconds: float | None) -> None:
    assert Notifier(environment).watchdog == seconds
