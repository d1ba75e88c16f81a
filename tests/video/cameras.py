"""A live RTSP camera on the loopback that can be killed, frozen and brought back."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).with_name("rtsp_camera.py")


class RtspCamera:
    """A process that serves a moving ball; it keeps its port when it is started again.

    Attributes:
        size: of its pictures.
        damage: probability of each byte to be spoilt.
    """

    def __init__(self, size: str = "320x240", damage: float = 0) -> None:
        self.size = size
        self.damage = damage
        self._process: subprocess.Popen | None = None
        self._port = "0"
        self.start()

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self._port}/camera"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [PYTHON, SCRIPT, self._port, self.size, str(self.damage)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._port = self._process.stdout.readline().strip()

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        with self._process as process:
            process.kill()


def need_gstreamer(script: Path = SCRIPT) -> None:
    """Skips the test where what a script needs of GStreamer's RTSP server is not here."""
    if (
        not Path(PYTHON).exists()
        or subprocess.run([PYTHON, script, "check"], capture_output=True).returncode
    ):
        pytest.skip(
            "GStreamer's RTSP server is not here: apt-get install gir1.2-gst-rtsp-server-1.0 "
            "gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly "
            "python3-gi"
        )
