"""A network of its own between an edge and its receiver, which really loses packets of IP."""

from __future__ import annotations

import ctypes
import fcntl
import os
import random
import select
import shutil
import socket
import struct
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

TUN = Path("/dev/net/tun")
CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
HERE, THERE = "10.99.0.1", "10.99.0.2"
MOST = 1 << 16


class LossyNetwork:
    """Carries connections over a TUN device in a network namespace, by the kernel's own TCP.

    Whatever is sent to the address behind the device comes back from it, with source and
    destination exchanged, so that both ends of a connection are this machine and all of its packets
    pass the device, in both directions.

    Args:
        url: where it leads.
        loss: the share of packets that never arrive.

    Attributes:
        url: where it begins.
        packets: that entered it.
        lost: those that did not leave it.
    """

    def __init__(self, url: str, loss: float) -> None:
        if os.geteuid() != 0 or not TUN.exists() or shutil.which("ip") is None:
            pytest.skip("a network that loses packets takes root, /dev/net/tun and ip")
        parts = urlsplit(url)
        self._to = parts.hostname, parts.port
        self._loss = loss
        self._draw = random.Random(11)
        self.packets = self.lost = 0
        self._outer = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._outer.getsockname()[1]}"
        self._built, self._over = threading.Event(), threading.Event()
        self._failure: Exception | None = None

    def __enter__(self) -> LossyNetwork:
        self._start(self._enter)
        assert self._built.wait(30.0)
        if self._failure is not None:
            pytest.skip(f"no network of its own can be made here: {self._failure}")
        for work in (self._leave, self._carry):
            self._start(work)
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        for one in (self._outer, self._inner):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    @staticmethod
    def _start(work, *arguments: object) -> None:
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def _enter(self) -> None:
        """Moves this thread alone to a new network; what it connects from then on is there."""
        try:
            self._build()
        except OSError as error:
            self._failure = error
        self._built.set()
        with suppress(OSError):
            while self._failure is None:
                near, _ = self._outer.accept()
                inner = socket.create_connection((THERE, self._inner.getsockname()[1]))
                self._join(near, inner)

    def _build(self) -> None:
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        self._device = os.open(TUN, os.O_RDWR)
        fcntl.ioctl(self._device, TUNSETIFF, struct.pack("16sH22x", b"lossy", IFF_TUN | IFF_NO_PI))
        for command in (f"addr add {HERE}/24 dev lossy", "link set lossy up"):
            subprocess.run(["ip", *command.split()], check=True, timeout=30)
        self._inner = socket.create_server((HERE, 0))

    def _leave(self) -> None:
        with suppress(OSError):
            while True:
                inner, _ = self._inner.accept()
                self._join(inner, socket.create_connection(self._to))

    def _carry(self) -> None:
        while not self._over.is_set():
            if not select.select([self._device], [], [], 0.2)[0]:
                continue
            packet = os.read(self._device, MOST)
            if packet[0] >> 4 != 4:
                continue
            self.packets += 1
            if self._draw.random() < self._loss:
                self.lost += 1
                continue
            os.write(self._device, packet[:12] + packet[16:20] + packet[12:16] + packet[20:])
        os.close(self._device)

    def _join(self, one: socket.socket, other: socket.socket) -> None:
        for end in (one, other):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._start(_pass, one, other)
        self._start(_pass, other, one)


def _pass(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while piece := one.recv(1 << 14):
            other.sendall(piece)
    for end in (one, other):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
