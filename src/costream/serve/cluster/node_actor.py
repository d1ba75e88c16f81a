"""A node of a cluster as an actor of Ray's: the thin layer around :class:`Node`."""

from __future__ import annotations

import logging
import secrets
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import ray
from ray.exceptions import RayError

from costream.engine.reply import ReplyOptions
from costream.errors import CoStreamError, StoreError
from costream.serve.cameras.clip import clip_of
from costream.serve.cameras.edge import STRETCH_WITHIN
from costream.serve.cluster.inflow import Inflows, Kind
from costream.serve.cluster.names import CONTROLLER, NAMESPACE
from costream.serve.cluster.node import Node, NodeNews
from costream.serve.cluster.open_replies import OpenReplies, ReplyPart
from costream.serve.cluster.relay import LogRelay
from costream.serve.cluster.spec import ClusterSpec
from costream.serve.store.record import Media
from costream.turn import Turn

BEAT = 1.0
"""Seconds from one report to the next."""

RENEW = 1.5
"""Seconds after which the lease is renewed."""

TURN = 0.5
"""Seconds after which what is due by the clock is looked at."""

AGAIN = 2.0
"""Seconds after which a store that is away is tried again."""

ANSWER = 5.0
"""Seconds to wait for the controller's answer."""

logger = logging.getLogger("costream")


class NodeActor:
    """Watches cameras in a process of Ray's, for as long as that lives.

    It reports to the controller and obeys it, each in threads of its own, and answers the front
    end. The model is loaded meanwhile.

    Args:
        name: the node's name, for people.
        spec: the service's.
    """

    def __init__(self, name: str, spec: ClusterSpec) -> None:
        forget_main_module()
        self._log = LogRelay(name)
        logger.addHandler(self._log)
        logger.setLevel(logging.INFO)
        self._spec = spec
        self._folder = Path(tempfile.mkdtemp(prefix="costream-node-"))
        self._node = self._opened(name)
        self._stopped = threading.Event()
        self._inflows = Inflows()
        self._replies = OpenReplies()
        self._controller: Any = None
        for every, work in (
            (RENEW, self._renew),
            (BEAT, self._beat),
            (TURN, self._node.advance),
            (BEAT, self._replies.forget),
        ):
            threading.Thread(target=self._repeat, args=(every, work), daemon=True).start()
        threading.Thread(target=self._load, name="costream-load", daemon=True).start()

    def _opened(self, name: str) -> Node:
        """Returns the node, once the store is there: an actor that fails so is not begun again."""
        owner = f"{name}#{secrets.token_hex(4)}"
        while True:
            try:
                return Node(owner, name, self._spec, self._folder)
            except StoreError as error:
                logger.warning("%s", error)
                sleep(AGAIN)

    def news(self, patience: float) -> NodeNews:
        """Returns what happened since the last call: see :meth:`Node.news`."""
        return self._node.news(patience, self._log.fetch())

    def read_parcel(self, number: int, offset: int) -> bytes:
        """Returns some bytes of a file that waits: see :meth:`Courier.read`."""
        return self._node.courier.read(number, offset)

    def parcel_done(self, number: int, media: Media | None) -> None:
        """Removes a file that the front end has: see :meth:`Courier.done`."""
        self._node.courier.done(number, media)

    def begin_inflow(self, kind: Kind, camera: str, framed: bool) -> int:
        """Begins to take what a camera of this node sends; returns the number of the stream."""
        fleet = self._node.fleet
        if kind == "edge":
            return self._inflows.begin(partial(fleet.take_edge, camera))
        return self._inflows.begin(partial(fleet.push, camera, framed=framed))

    def put_inflow(self, number: int, piece: bytes) -> bool:
        """Adds to a stream: see :meth:`Inflows.put`."""
        return self._inflows.put(number, piece)

    def end_inflow(self, number: int) -> object:
        """Ends a stream: see :meth:`Inflows.end`."""
        return self._inflows.end(number)

    def recording(self, camera: str, seconds: float) -> bytes:
        """Returns a camera's newest seconds in full, from its edge: MP4 or Matroska."""
        return clip_of(self._node.fleet.stretch(camera, seconds, STRETCH_WITHIN))

    def begin_reply(self, camera: str, turns: Sequence[Turn], options: ReplyOptions) -> str:
        """Asks a camera of this node; returns the reply's name: see :meth:`Node.inquire`."""
        return self._replies.add(self._node.inquire(camera, turns, options))

    def fetch_reply(self, name: str) -> ReplyPart:
        """Returns what has come of a reply since the last call: see :meth:`OpenReplies.fetch`."""
        return self._replies.fetch(name)

    def cancel_reply(self, name: str) -> None:
        """Ends a reply that nobody wants any more: see :meth:`OpenReplies.cancel`."""
        self._replies.cancel(name)

    def close(self) -> None:
        """Lets go of all cameras and ends all watches."""
        self._stopped.set()
        self._node.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _load(self) -> None:
        from costream.engine.loading import load_engine

        begun, spec = monotonic(), self._spec
        try:
            engine = load_engine(
                spec.model,
                spec.settings,
                spec.engine.device,
                spec.engine.dtype,
                kv_memory=spec.engine.kv_memory,
            )
            logger.info("%s is loaded, after %.1f s", spec.model, monotonic() - begun)
            self._node.watch(engine)
        except Exception as error:  # told to whoever runs the service
            logger.error("the model can't be loaded: %s", error)
            self._node.fail(f"the model can't be loaded: {error}")

    def _repeat(self, every: float, work: Callable[[], None]) -> None:
        failing = False
        while not self._stopped.wait(every):
            try:
                work()
                failing = False
            except (CoStreamError, RayError, ValueError, TimeoutError) as error:
                # ValueError: Ray knows no actor of that name, as long as there is no controller.
                if not failing:
                    logger.warning("%s", str(error).splitlines()[0])
                failing = True
            except Exception as error:  # the next turn may do better
                logger.error("an error that was not foreseen", exc_info=error)

    def _renew(self) -> None:
        self._node.renew()

    def _beat(self) -> None:
        """Reports, and does what is answered; again at once where that changed something."""
        while not self._stopped.is_set():
            try:
                if self._controller is None:
                    self._controller = ray.get_actor(CONTROLLER, NAMESPACE)
                answer = self._controller.report.remote(self._node.report())
                orders = ray.get(answer, timeout=ANSWER)
            except Exception:
                self._controller = None
                raise
            self._node.obey(orders)
            if orders is None:
                return


def forget_main_module() -> None:
    """Has processes that this one starts not import what Ray's workers are begun by.

    ``multiprocessing`` imports the parent's main module in a child that it spawns. Ray's would cost
    each process that reads a camera the import of Ray.
    """
    main = sys.modules["__main__"]
    if hasattr(main, "__file__"):
        del main.__file__
