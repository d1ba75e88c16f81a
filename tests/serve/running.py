"""The service in a process of its own, as its users run it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.serve.waiting import until

TOKEN = "token-of-the-tests"
START = 240.0
"""Seconds that a start may take on a busy machine."""


class Running:
    """``costream serve`` on a configuration; it can be killed and started again.

    Args:
        folder: for the configuration, the data and the log.
        config: the configuration; its data folder and its server are chosen here.
        environment: of its process, beside what this one has.
        options: of the command.
    """

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, Any],
        environment: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> None:
        self._options = list(options)
        self.folder = folder
        self.file = folder / "cameras.yaml"
        self.log = folder / "serve.log"
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self.client: httpx.Client | None = None
        self.write(config)

    def write(self, config: Mapping[str, Any]) -> None:
        """Writes the configuration, for the next start or reload."""
        server = {"port": 0, "token": TOKEN}
        self.file.write_text(json.dumps({"data": "data", "server": server, **config}))

    def start(self) -> Running:
        """Starts the service and waits until it listens."""
        self.log.write_bytes(b"")
        if self.client is not None:
            self.client.close()
        command = [sys.executable, "-m", "costream", "serve", str(self.file), *self._options]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=self._environment)
        try:
            until(lambda: self._url is not None or self.ended, START)
            assert not self.ended, self.text
        except BaseException:
            self.kill()
            raise
        self.client = httpx.Client(
            base_url=str(self._url), headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30
        )
        return self

    @property
    def text(self) -> str:
        """What it logged since its last start."""
        return self.log.read_text()

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.process.poll() is not None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """Its process."""
        assert self._process is not None
        return self._process

    def get(self, path: str) -> Any:
        """Returns what the API answers."""
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def events(self, **query: Any) -> list[dict[str, Any]]:
        """Returns events, the newest first."""
        answer = self.client.get("/api/events", params=query)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["events"])

    def state(self, camera: str) -> str:
        """Returns a camera's state."""
        return str(self.get(f"/api/cameras/{camera}")["status"]["state"])

    def windows(self, camera: str) -> int:
        """Returns how many windows of a camera were answered."""
        return int(self.get(f"/api/cameras/{camera}")["status"]["savings"]["windows"])

    def kill(self) -> None:
        """Ends it as the kernel does."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ends it as a service manager does; returns its status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def __enter__(self) -> Running:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.client.close()
        if not self.ended:
            self.kill()

    @property
    def _url(self) -> str | None:
        found = re.search(r"open (http://[^\s;]+)", self.text)
        return None if found is None else found[1]
