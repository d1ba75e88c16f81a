"""The front end's line to the cluster, over Ray."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from time import monotonic, sleep
from typing import Any

# Nothing is reported to Ray's makers, and it says nothing of its own on standard error.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray
from ray.exceptions import RayError, RayTaskError

from costream.engine.reply import ReplyOptions
from costream.errors import ClusterError, CoStreamError, SettingsError
from costream.printable import printable
from costream.serve.cluster.controller_actor import FRONT, ControllerActor
from costream.serve.cluster.inflow import Kind
from costream.serve.cluster.messages import CameraSpec, ClusterState
from costream.serve.cluster.names import CONTROLLER, NAMESPACE
from costream.serve.cluster.node import NodeNews
from costream.serve.cluster.open_replies import ReplyPart
from costream.serve.cluster.spec import ClusterSpec
from costream.serve.sinks.audience import Audience
from costream.serve.store.record import Media
from costream.turn import Turn

ANSWER = 10.0
"""Seconds to wait for an answer."""

KNOCK = 5.0
"""Seconds to wait for a cluster to take a connection."""

SLOW = 60.0
"""Seconds to wait for what cameras take their time with."""

END = 25.0
"""Seconds to wait for all nodes to let go of their cameras."""

PATIENCE = 1.0
"""Seconds for which a node waits for news before it says that there are none."""

CALLS = 8
"""Calls that the controller answers at a time, beside those of nodes."""

AT_HEAD = {"node:__internal_head__": 0.001}
"""What Ray gives nobody but its head: whoever asks for some runs there."""

logger = logging.getLogger("costream")


class Link:
    """Talks to the controller and to the nodes. One thread at a time uses it, but for ``read``.

    Args:
        address: of the cluster, as ``ray start`` prints it; ``auto`` for one on this machine.

    Raises:
        ClusterError: of all methods, the cluster does not answer.
    """

    def __init__(self, address: str) -> None:
        try:
            _knock(address)
            ray.init(
                address,
                namespace=NAMESPACE,
                log_to_driver=False,
                logging_level=logging.ERROR,
                configure_logging=False,
            )
        except (RayError, OSError, RuntimeError, ValueError) as error:
            raise ClusterError(
                f"there is no cluster of Ray's at {printable(address)} "
                f"({printable(str(error).splitlines()[0])}): begin one with ray start --head"
            ) from None
        self._name = secrets.token_hex(8)
        self._controller: Any = None
        self._actors: dict[str, Any] = {}
        self._asked: dict[Any, str] = {}

    def begin(self, spec: ClusterSpec) -> None:
        """Has a controller of this service be there; one of another configuration is ended.

        Raises:
            SettingsError: another service runs on the cluster, or the store is out of the reach of
                some of its machines.
        """
        machines = {node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
        spec.check_machines(len(machines))
        handle = self._found()
        if handle is not None:
            self._await_turn(handle)
            if _answer(handle.fingerprint.remote()) != spec.fingerprint:
                logger.info("the cluster runs another configuration, which is ended")
                self.end()
        self._spec = spec
        self._controller = self._made()

    def want(self, cameras: Mapping[str, CameraSpec], audiences: Mapping[str, Audience]) -> bool:
        """Says what is to be watched; returns whether the controller took note."""
        return bool(_answer(self._at_controller().want.remote(cameras, audiences)))

    def state(self) -> tuple[ClusterState, bool, Sequence[logging.LogRecord]]:
        """Returns how the cluster is doing: see :meth:`ControllerActor.state`."""
        controller = self._at_controller()
        try:
            state, known, lines = _answer(controller.state.remote(self._name))
            self._actors = _answer(controller.actors.remote())
        except ClusterError:
            self._controller = None  # it may be gone for good: another one is made then
            raise
        return state, known, lines

    def news(self, patience: float) -> list[NodeNews]:
        """Returns what nodes have to tell; waits for some, but not for long."""
        asked = set(self._asked.values())
        for name in self._actors.keys() - asked:
            self._asked[self._actors[name].news.remote(PATIENCE)] = name
        if not self._asked:
            return []
        ready, _ = ray.wait(list(self._asked), num_returns=1, timeout=patience)
        if ready:
            ready, _ = ray.wait(list(self._asked), num_returns=len(self._asked), timeout=0)
        found = []
        for reference in ready:
            name = self._asked.pop(reference)
            try:
                found.append(ray.get(reference))
            except RayError:  # it is gone, or begins anew: the controller says which
                self._actors.pop(name, None)
        return found

    def read(self, node: str, number: int, offset: int) -> bytes:
        """Returns some bytes of a node's file. Any thread may call it."""
        data: bytes = _answer(self._actor(node).read_parcel.remote(number, offset))
        return data

    def done(self, node: str, number: int, media: Media | None) -> None:
        """Says that a node's file is kept here, or never will be. Any thread may call it."""
        _answer(self._actor(node).parcel_done.remote(number, media))

    def send(
        self, node: str, kind: Kind, camera: str, chunks: Iterator[bytes], framed: bool
    ) -> Any:
        """Hands on what a camera sends to the node that reads it. Any thread may call it.

        Args:
            node: the camera's node.
            kind: what is sent.
            camera: the camera.
            chunks: the stream, taken no faster than it is read.
            framed: it comes as records.

        Returns:
            What whoever took it returned.

        Raises:
            CoStreamError: what whoever took it ended with.
        """
        actor = self._actor(node)
        number = _answer(actor.begin_inflow.remote(kind, camera, framed))
        for chunk in chunks:
            if not _answer(actor.put_inflow.remote(number, chunk), SLOW):
                break
        return _answer(actor.end_inflow.remote(number), SLOW)

    def recording(self, node: str, camera: str, seconds: float) -> bytes:
        """Returns a camera's newest seconds in full. Any thread may call it."""
        data: bytes = _answer(self._actor(node).recording.remote(camera, seconds), SLOW)
        return data

    def reply(
        self, node: str, camera: str, turns: Sequence[Turn], options: ReplyOptions
    ) -> Generator[ReplyPart, None, None]:
        """Asks a camera of a node: see :class:`ReplySource`. Any thread may call it."""
        actor = self._actor(node)
        gone = f"node {node} does not answer any more: ask again in a moment"
        name = _answer(actor.begin_reply.remote(camera, turns, options), SLOW, gone)
        try:
            is_last = False
            while not is_last:
                part: ReplyPart = _answer(actor.fetch_reply.remote(name), gone=gone)
                is_last = part.is_last
                yield part
        except GeneratorExit:
            # Where the node doesn't answer any more, it forgets the reply by itself.
            with suppress(ClusterError):
                _answer(actor.cancel_reply.remote(name))

    def end(self) -> None:
        """Ends all watching: nodes let go of their cameras, and their processes end."""
        with suppress(RayError):
            handle = self._found()
            if handle is None:
                return
            try:
                ray.get(handle.end.remote(), timeout=END)
            except RayError:  # a timeout is one as well
                logger.warning("not all nodes have let go of their cameras in time")
            ray.kill(handle)
            self._controller, self._actors = None, {}
            self._await_end()

    def close(self) -> None:
        """Leaves the cluster as it is."""
        ray.shutdown()

    def _await_turn(self, controller: Any) -> None:
        """Waits for a front end that has just died to be forgotten."""
        end = monotonic() + 2 * FRONT
        while not _answer(controller.is_free.remote(self._name)):
            if monotonic() > end:
                raise SettingsError(
                    "another service runs on this cluster: stop it first, or use another cluster"
                )
            sleep(0.5)

    def _await_end(self) -> None:
        """Waits until all names are free: who asked for one of them sooner got what is ending."""
        end = monotonic() + ANSWER
        while ray.util.list_named_actors() and monotonic() < end:
            sleep(0.2)

    def _actor(self, node: str) -> Any:
        actor = self._actors.get(node)
        if actor is None:
            raise ClusterError(f"node {node} is gone")
        return actor

    def _at_controller(self) -> Any:
        if self._controller is None:
            self._controller = self._made()
        return self._controller

    def _found(self) -> Any:
        try:
            return ray.get_actor(CONTROLLER, NAMESPACE)
        except ValueError:
            return None

    def _made(self) -> Any:
        # At Ray's head, which the controller can't do without anyway. On a machine that dies, both
        # its cameras and the controller would wait until Ray finds out, which takes 15 s and more.
        return (
            ray.remote(ControllerActor)
            .options(
                name=CONTROLLER,
                namespace=NAMESPACE,
                lifetime="detached",
                get_if_exists=True,
                max_restarts=-1,
                max_concurrency=CALLS,
                num_cpus=0,
                resources=AT_HEAD,
            )
            .remote(self._spec)
        )


def _knock(address: str) -> None:
    """Finds out whether anybody is at an address: Ray itself would ask for minutes.

    Raises:
        OSError: nobody is.
    """
    host, _, port = address.rpartition(":")
    if port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), KNOCK).close()


def _answer(reference: Any, patience: float = ANSWER, gone: str | None = None) -> Any:
    """Waits for an answer.

    Args:
        reference: what is waited for.
        patience: seconds after which it is given up.
        gone: what to say where nobody answers, to people who asked; they don't know Ray.

    Raises:
        ClusterError: nobody answers.
        CoStreamError: what the answer is.
    """
    try:
        return ray.get(reference, timeout=patience)
    except RayError as error:
        cause = error.cause if isinstance(error, RayTaskError) else None
        if isinstance(cause, CoStreamError):
            raise cause from None
        if gone is not None and cause is None:
            raise ClusterError(gone) from None
        said = printable(str(error).strip().splitlines()[0])
        raise ClusterError(f"the cluster does not answer ({said}): it is asked again") from None
