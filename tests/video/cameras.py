"""An RTSP camera on the loopback that can be killed, frozen and brought back."""

from __future__ import annotations

import signal
import subprocess
from itertools import chain
from pathlib import Path

import pytest

from tests.video.films import codec_and_size

PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).with_name("rtsp_camera.py")

CODECS = {"h264": "h264", "hevc": "h265"}
"""GStreamer's names of FFmpeg's codecs."""


class RtspCamera:
    """A process that plays films; it keeps its port when it is started again.

    Attributes:
        films: what it plays, from the beginning to whoever asks, H.264 or H.265 in MP4.
        damage: probability of each byte to be spoilt.
    """

    def __init__(self, *films: Path, damage: float = 0) -> None:
        self.films = films
        self.damage = damage
        self._process: subprocess.Popen | None = None
        self._port = "0"
        self.start()

    @property
    def url(self) -> str:
        """Where its first film is played."""
        return self.urls[0]

    @property
    def urls(self) -> list[str]:
        """Where each of its films is played."""
        return [f"rtsp://127.0.0.1:{self._port}/camera{n or ''}" for n in range(len(self.films))]

    def start(self) -> None:
        played = [(CODECS[codec_and_size(film)[0]], str(film)) for film in self.films]
        self._process = subprocess.Popen(
            [PYTHON, SCRIPT, self._port, str(self.damage), *chain.from_iterable(played)],
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
