"""What systemd is told of the service (``sd_notify``): that it is ready, alive, or stopping."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """Tells systemd, where it is listening; any thread may use it.

    Args:
        environment: where systemd says so, the process's.

    Attributes:
        watchdog: seconds after which the service is restarted where it was not :meth:`alive`, or
            None where nobody watches. Half of it is a good time between two signs of life.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.watchdog = _watchdog(environment)

    def ready(self) -> None:
        """Tells that the service serves."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Tells that the configuration is read again; :meth:`ready` ends it."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send(f"RELOADING=1\nMONOTONIC_USEC={now}")

    def alive(self) -> None:
        """Tells that the service does not hang: call it only where what matters goes on."""
        self._send("WATCHDOG=1")

    def status(self, sentence: str) -> None:
        """Shows a sentence in ``systemctl status``."""
        self._send(f"STATUS={' '.join(sentence.split())}")

    def stopping(self) -> None:
        """Tells that the service is ending."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # An address that begins with @ is of the kernel's own names, not of the file system.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(address)
            sender.send(message.encode())


def _watchdog(environment: Mapping[str, str]) -> float | None:
    micros, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    ours = not pid or pid == str(os.getpid())
    return int(micros) / 1e6 if micros.isdecimal() and int(micros) and ours else None
