"""The controller of a cluster as an actor of Ray's: the thin layer around :class:`Conductor`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic, time
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from costream.errors import CoStreamError, StoreError
from costream.serve.cluster.conductor import Conductor
from costream.serve.cluster.messages import CameraSpec, ClusterState, Orders, Report
from costream.serve.cluster.names import NAMESPACE, node_actor
from costream.serve.cluster.node_actor import NodeActor
from costream.serve.cluster.relay import LogRelay
from costream.serve.cluster.slots import Machine, Slot, slots_of
from costream.serve.cluster.spec import ONE_MACHINE, ClusterSpec
from costream.serve.cluster.table import PlacementTable
from costream.serve.sinks.audience import Audience
from costream.serve.store import database

TICK = 0.5
"""Seconds from one decision to the next."""

LOOK = 1.0
"""Seconds after which machines that came and went are looked for."""

RECONCILE = 5.0
"""Seconds after which all placements are read anew, whoever changed them."""

FORGET = 600.0
"""Seconds after which leases of processes of the past are removed."""

CALLS = 96
"""Calls that a node answers at a time. Of a front end, 32 may wait for text of replies."""

FRONT = 5.0
"""Seconds for which a front end that was not heard of any more still has the cluster."""

LEAVE = 15.0
"""Seconds to wait for nodes to let go of their cameras."""

logger = logging.getLogger("costream")


class ControllerActor:
    """Places cameras, and has a process of Ray's watch on every machine.

    It holds nothing that can't be had again: after a restart it reads the table, nodes report and
    the front end says what is wanted, within a second or two.

    Args:
        spec: the service's.
    """

    def __init__(self, spec: ClusterSpec) -> None:
        self._spec = spec
        self._log = LogRelay("controller")
        logger.addHandler(self._log)
        logger.setLevel(logging.INFO)
        self._table = PlacementTable(database.connect(spec.store, Path()))
        self._lock = threading.Lock()
        self._conductor: Conductor | None = None
        self._slots: dict[str, Slot] = {}
        self._actors: dict[str, Any] = {}
        self._problem: str | None = None
        self._elsewhere: str | None = None
        self._done: dict[str, float] = {}
        self._front, self._heard = "", float("-inf")
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name="costream-controller", daemon=True).start()

    def fingerprint(self) -> str:
        """Returns what tells this service from others: see :attr:`ClusterSpec.fingerprint`."""
        return self._spec.fingerprint

    def want(self, cameras: Mapping[str, CameraSpec], audiences: Mapping[str, Audience]) -> bool:
        """Has these cameras be watched; returns whether that was taken note of."""
        with self._lock:
            if self._conductor is None:
                return False
            self._conductor.want(cameras, audiences)
            return True

    def report(self, report: Report) -> Orders | None:
        """Takes a node's report: see :meth:`Conductor.report`."""
        with self._lock:
            if self._conductor is None:
                return None
            return self._conductor.report(report, monotonic())

    def is_free(self, front: str) -> bool:
        """Whether a front end may have the cluster: no other one was heard of lately."""
        return front == self._front or monotonic() - self._heard > FRONT

    def state(self, front: str) -> tuple[ClusterState, bool, Sequence[logging.LogRecord]]:
        """Returns how the cluster is doing, whether it was said what is wanted, and the log.

        Args:
            front: names the front end that asks.
        """
        self._front, self._heard = front, monotonic()
        with self._lock:
            conductor = self._conductor
            known = conductor is not None and conductor.is_told
            state = ClusterState() if conductor is None else conductor.state(monotonic())
        state = state.with_problem(self._problem).with_problem(self._elsewhere)
        return state, known, self._log.fetch()

    def actors(self) -> dict[str, Any]:
        """Returns the nodes' actors, by the nodes' names."""
        return dict(self._actors)

    def end(self) -> None:
        """Has all nodes let go of their cameras, and ends their processes."""
        self._stopped.set()
        closing = [actor.close.remote() for actor in self._actors.values()]
        if closing:
            ray.wait(closing, num_returns=len(closing), timeout=LEAVE)
        for actor in self._actors.values():
            ray.kill(actor)

    def _run(self) -> None:
        while not self._stopped.wait(TICK):
            try:
                self._turn()
                self._problem = None
            except CoStreamError as error:
                self._problem = str(error)
            except Exception as error:  # the next turn may do better
                logger.error("an error that was not foreseen", exc_info=error)
                self._problem = f"an error that was not foreseen: {error!r}"

    def _turn(self) -> None:
        if self._is_due("look", LOOK):
            self._look_for_machines()
        if self._conductor is None:
            rows, first = self._table.rows(), int(time() * 1000)
            with self._lock:
                self._conductor = Conductor(monotonic(), rows, first=first, patience=self._patience)
        self._decide(self._conductor)

    @property
    def _patience(self) -> float:
        return 30.0 + 2 * self._spec.settings.window

    def _decide(self, conductor: Conductor) -> None:
        if self._is_due("reconcile", RECONCILE):
            rows = self._table.rows()
            with self._lock:
                conductor.changed(rows)
        if self._is_due("forget", FORGET):
            self._table.forget()
        try:
            leases = self._table.leases()
        except StoreError:
            with self._lock:
                conductor.see(None, monotonic())
            raise
        with self._lock:
            conductor.expect(len(self._slots))
            conductor.see(leases, monotonic())
            grants = conductor.step(monotonic())
        changed = self._table.grant(grants)
        if len(changed) < len(grants):
            changed = self._table.rows()
        with self._lock:
            conductor.changed(changed)

    def _look_for_machines(self) -> None:
        """Has a process watch on each machine that came."""
        machines = [_machine(node) for node in ray.nodes() if node["Alive"]]
        if self._spec.is_of_one_machine:
            here = ray.util.get_node_ip_address()
            elsewhere = [machine for machine in machines if machine.address != here]
            machines = [machine for machine in machines if machine.address == here]
            self._elsewhere = ONE_MACHINE if elsewhere else None
        slots = {slot.name: slot for slot in slots_of(machines, self._spec.engine.device)}
        there = set(ray.util.list_named_actors())
        for name in [name for name in self._actors if node_actor(name) not in there]:
            del self._actors[name]  # it could not begin, or was killed for good
        for name in self._slots.keys() - slots.keys():
            logger.info("node %s is gone", name)
            self._actors.pop(name, None)
        for name in slots.keys() - self._actors.keys():
            self._actors[name] = self._begin(slots[name])
        self._slots = slots

    def _begin(self, slot: Slot) -> Any:
        logger.info("node %s is there", slot.name)
        options: dict[str, Any] = {
            "name": node_actor(slot.name),
            "namespace": NAMESPACE,
            "lifetime": "detached",
            "get_if_exists": True,
            "max_restarts": -1,
            "max_concurrency": CALLS,
            "num_cpus": slot.cpus,
            "num_gpus": slot.gpus,
            "scheduling_strategy": NodeAffinitySchedulingStrategy(slot.machine, soft=False),
        }
        return ray.remote(NodeActor).options(**options).remote(slot.name, self._spec)

    def _is_due(self, what: str, every: float) -> bool:
        now = monotonic()
        if now - self._done.get(what, float("-inf")) < every:
            return False
        self._done[what] = now
        return True


def _machine(node: Mapping[str, Any]) -> Machine:
    resources = node["Resources"]
    name, address = node.get("NodeName"), node["NodeManagerAddress"]
    return Machine(
        node["NodeID"], name or address, address, resources.get("CPU", 0), resources.get("GPU", 0)
    )
