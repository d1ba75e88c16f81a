"""Waiting for descriptors of any number."""

from __future__ import annotations

import fcntl
import os
import socket

import pytest

from costream.video.readiness import await_readable, await_writable

FAR = 1500
"""A number that select takes no more."""


def test_a_descriptor_with_a_large_number_is_waited_for() -> None:
    near, far = socket.socketpair()
    with near, far:
        number = fcntl.fcntl(near, fcntl.F_DUPFD, FAR)
        assert number >= FAR
        try:
            assert not await_readable(number, 0.0)
            assert await_writable(number, 0.0)
            far.send(b"x")
            assert await_readable(number)
        finally:
            os.close(number)


def test_an_end_that_has_gone_is_told_at_once() -> None:
    near, far = socket.socketpair()
    with near:
        far.close()
        assert await_readable(near, 10.0)


def test_what_is_closed_is_not_waited_for() -> None:
    near, far = socket.socketpair()
    near.close()
    far.close()
    with pytest.raises(ValueError):
        await_readable(near, 0.0)
