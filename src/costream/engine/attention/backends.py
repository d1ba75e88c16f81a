"""The registry of attention backends: what computes attention over the rows of a pass.

Their names are wanted where torch is not, on the command line: a backend imports what it runs when
it plans its first pass.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from costream.errors import SettingsError
from costream.registry import Registry

if TYPE_CHECKING:
    from costream.engine.attention.kernel import AttentionKernel, StreamTokens
    from costream.engine.kv_pool import KVPool
    from costream.engine.upload import Upload

logger = logging.getLogger("costream")


class AttentionBackend(ABC):
    """Computes the attention of passes. Stateless: one object serves all of them."""

    checked: ClassVar[frozenset[str]] = frozenset({"cpu", "meta"})
    """Types of devices on which answers were compared with those of the stock models."""

    @abstractmethod
    def plan(
        self, pool: KVPool, streams: Sequence[StreamTokens], upload: Upload
    ) -> AttentionKernel:
        """Prepares the attention of one pass, on the host alone.

        Args:
            pool: where keys and values are.
            streams: what the tokens of each stream look at, in the order of the pass.
            upload: takes along what the kernel needs on the device; it is moved before the kernel
                is run.
        """


ATTENTION: Registry[AttentionBackend] = Registry(
    "attention backend", AttentionBackend, "costream.attention"
)

AUTO = "auto"
"""Leaves the choice of the backend to the device."""


@ATTENTION.register("sdpa")
class SdpaBackend(AttentionBackend):
    """Torch's ``scaled_dot_product_attention``, stream by stream: one window is gathered a time."""

    def plan(
        self, pool: KVPool, streams: Sequence[StreamTokens], upload: Upload
    ) -> AttentionKernel:
        from costream.engine.attention.sdpa import SdpaKernel

        return SdpaKernel(pool, streams)


@ATTENTION.register("flex")
class FlexBackend(AttentionBackend):
    """Torch's FlexAttention over the windows of all streams of a pass together.

    It never ran on a GPU. On a CPU it is not compiled: right, and slow.
    """

    def plan(
        self, pool: KVPool, streams: Sequence[StreamTokens], upload: Upload
    ) -> AttentionKernel:
        from costream.engine.attention.flex import FlexKernel

        return FlexKernel(pool, streams, upload)


def check_attention(name: str) -> None:
    """Checks the name of a backend.

    Raises:
        SettingsError: there is none of that name.
    """
    if name != AUTO and name not in ATTENTION:
        raise SettingsError(
            f"unknown attention backend {name!r}: choose one of {', '.join([AUTO, *ATTENTION])}"
        )


def backend_for(name: str, device: str) -> AttentionBackend:
    """Returns the backend of that name.

    Args:
        name: its name. ``auto``: FlexAttention on a GPU if it was checked there, else
            ``scaled_dot_product_attention``.
        device: the type of the device, such as ``cuda``.

    Raises:
        SettingsError: there is none of that name.
    """
    check_attention(name)
    if name == AUTO:
        fused = device == "cuda" and device in FlexBackend.checked
        return FlexBackend() if fused else SdpaBackend()
    backend = ATTENTION[name]()
    if device not in backend.checked:
        logger.warning("attention %r was never checked on %s: scripts/gpu.py does so", name, device)
    return backend
