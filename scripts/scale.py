"""A large cluster on one core: scripts/scale.py [--cameras 10000] [--nodes 200] [--store URL].

The controller's own code (:class:`~costream.serve.cluster.conductor.Conductor`) decides for nodes
that are simulated: they report, obey, renew leases and take a while to open a camera, by a clock of
the simulation's. Cameras take what ``costream plan`` says of them. Written is how long it takes, in
simulated seconds, until every camera is watched: at first, when nodes are killed, come or are
drained, and when the controller is; how many messages a second pass; and how much of a core the
decisions take, which is measured. The statements that the store is given are measured too, on
SQLite, or on the database of ``--store``, which has to be empty.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from costream.serve.cluster.conductor import Conductor
from costream.serve.cluster.messages import CameraSpec, Lease, Order, Orders, Report, Row
from costream.serve.cluster.need import Capacity, Need
from costream.serve.cluster.table import LEASE, Grant, PlacementTable
from costream.serve.config.model import CameraConfig, StoreConfig
from costream.serve.config.watched import WatchedCamera
from costream.serve.store.store import Store

TICK, BEAT, RENEW = 0.5, 1.0, 1.5
"""Seconds from one decision, report and renewal to the next: those of the actors."""

OPEN = 2.0
"""Seconds that a camera takes to be opened."""

WINDOW = 40.0
"""Seconds of a window, which a node that takes a camera over holds before."""

STEP = 0.25
"""Seconds of the simulated clock."""

GPU = Capacity(memory=60e9, compute=1.0, decode=32.0)
"""A GPU of 80 GB beside the weights and the scratch, and its cores."""

QUIET = Need(memory=378e6, compute=0.012, decode=0.10)
BUSY = Need(memory=900e6, compute=0.035, decode=0.10)
"""640x360 cameras at 25 frames a second, as ``costream plan`` counts them for Qwen3-VL 4B in
bfloat16 with windows of 40 s and a stride of 8 s, at 150 TFLOPs a second."""

BUSY_SHARE = 0.2

SOURCE = CameraConfig(url="rtsp://camera.example/stream")


class SimulatedStore:
    """The placement table, with the simulation's clock."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.expires: dict[str, tuple[str, float]] = {}
        self.drained: set[str] = set()

    def grant(self, grants: Iterable[Grant]) -> list[Row]:
        """Gives cameras to owners, each where its row is as it was known."""
        changed = []
        for grant in grants:
            row = self.rows.get(grant.camera)
            if grant.fence == (0 if row is None else row.fence):
                self.rows[grant.camera] = Row(grant.camera, grant.owner, grant.fence + 1)
                changed.append(self.rows[grant.camera])
        return changed

    def release(self, camera: str, owner: str, fence: int) -> None:
        """Lets go of a camera."""
        if self.owns(camera, owner, fence):
            self.rows[camera] = Row(camera, "", fence)

    def owns(self, camera: str, owner: str, fence: int) -> bool:
        """Whether a write of an owner would be taken."""
        row = self.rows.get(camera)
        return row is not None and (row.owner, row.fence) == (owner, fence)

    def leases(self, now: float) -> list[Lease]:
        """Returns all leases."""
        return [
            Lease(owner, node, until - now, node in self.drained)
            for owner, (node, until) in self.expires.items()
        ]


@dataclass(slots=True)
class _Watched:
    order: Order
    since: float


@dataclass(slots=True)
class SimulatedNode:
    """A node without an engine, which can be killed and cut off.

    Attributes:
        name: its name; its process is called so with a number.
        start: which start of the node this is.
        alive: whether it runs.
        hears: whether it reaches the controller.
        stores: whether it reaches the store.
        cameras: what it does with cameras, and since when it reads them.
    """

    name: str
    needs: Mapping[str, Need]
    start: int = 1
    capacity: Capacity = GPU
    alive: bool = True
    ready: bool = True
    hears: bool = True
    stores: bool = True
    orders: int = 0
    cameras: dict[str, _Watched] = field(default_factory=dict)
    beat: float = 0.0
    renewed: float = 0.0
    heard: float = 0.0

    @property
    def owner(self) -> str:
        """The name of its process."""
        return f"{self.name}#{self.start}"

    def report(self, now: float, window: float) -> Report:
        """Returns how it is doing."""
        primed = {
            camera
            for camera, watched in self.cameras.items()
            if watched.order.role == "prime" and now - watched.since >= OPEN + window
        }
        return Report(
            self.owner,
            self.name,
            self.ready,
            self.capacity,
            QUIET,
            self.orders,
            {camera: watched.order for camera, watched in self.cameras.items()},
            frozenset(primed),
            frozenset(),
            {camera: self.needs[camera] for camera in self.cameras},
        )

    def obey(self, orders: Orders, store: SimulatedStore, now: float) -> None:
        """Does what is wanted, as far as the store can be reached."""
        for camera in self.cameras.keys() - orders.cameras.keys():
            del self.cameras[camera]
        if not self.stores:
            return
        for camera, order in orders.cameras.items():
            watched = self.cameras.get(camera)
            if order.role == "yield":
                if watched is not None:
                    store.release(camera, self.owner, watched.order.fence)
                    del self.cameras[camera]
            elif order.role == "own" and not store.owns(camera, self.owner, order.fence):
                continue
            elif watched is None:
                self.cameras[camera] = _Watched(order, now)
            else:
                watched.order = order
        self.orders = orders.number

    def renew(self, store: SimulatedStore, now: float) -> None:
        """Renews its lease, and lets go of what is no more its own."""
        if not self.stores:
            if now - max(self.renewed, self.heard) > LEASE:
                self.cameras.clear()
                self.orders = 0
            return
        self.renewed = now
        store.expires[self.owner] = (self.name, now + LEASE)
        for camera, watched in list(self.cameras.items()):
            order = watched.order
            if order.role == "own" and not store.owns(camera, self.owner, order.fence):
                del self.cameras[camera]
                self.orders = 0


class SimulatedCluster:
    """A controller and nodes, moved on by a clock of their own.

    Args:
        cameras: what each takes.
        nodes: how many there are at first.
        window: seconds of a window.
    """

    def __init__(self, cameras: Mapping[str, Need], nodes: int, window: float = WINDOW) -> None:
        self.now = 0.0
        self.cameras = dict(cameras)
        self.window = window
        self.store = SimulatedStore()
        self.nodes: dict[str, SimulatedNode] = {}
        self.messages = 0
        self.decided = 0.0
        self.controls = True
        self.store_away = False
        self._started = 0
        self.restart()
        for _ in range(nodes):
            self.add()

    def add(self) -> SimulatedNode:
        """Adds a node; it reports at a moment of its own."""
        name = f"node-{len(self.nodes):03}"
        node = self.nodes[name] = SimulatedNode(name, self.cameras)
        node.beat = node.renewed = self.now - random.Random(name).random()
        return node

    def restart(self) -> None:
        """Has another controller take the place of the one that there is."""
        self._started += 1
        first = self._started * 1_000_000
        self.conductor = Conductor(
            self.now, self.store.rows.values(), first=first, patience=self.window + 60
        )
        self._decided_at = self.now
        self._reconciled = self.now
        self.conductor.want({id: _spec(id) for id in self.cameras}, {})

    def run(self, seconds: float) -> None:
        """Moves on."""
        end = self.now + seconds
        while self.now < end:
            self.step()

    def until(self, holds: Callable[[], bool], limit: float) -> float:
        """Moves on until something holds; returns how long that took, or fails."""
        begun = self.now
        while not holds():
            assert self.now - begun < limit, f"it did not come to pass in {limit} s"
            self.step()
        return self.now - begun

    def step(self) -> None:
        """Moves on by one step of the clock."""
        self.now += STEP
        for node in self.nodes.values():
            if node.alive:
                self._turn(node)
        if self.controls and self.now - self._decided_at >= TICK:
            self._decided_at = self.now
            self._decide()

    def watched(self) -> int:
        """How many cameras are read by the node that the table names."""
        return sum(
            1
            for node in self.nodes.values()
            if node.alive
            for camera, watched in node.cameras.items()
            if self.now - watched.since >= OPEN
            and self.store.owns(camera, node.owner, watched.order.fence)
        )

    def seen(self) -> int:
        """How many cameras some node reads, be it theirs or about to be."""
        return len(
            {
                camera
                for node in self.nodes.values()
                if node.alive
                for camera, watched in node.cameras.items()
                if self.now - watched.since >= OPEN
            }
        )

    def counts(self) -> list[int]:
        """How many cameras each node that runs has, by the table."""
        owners = [row.owner for row in self.store.rows.values()]
        return [owners.count(node.owner) for node in self.nodes.values() if node.alive]

    def _turn(self, node: SimulatedNode) -> None:
        due = self.now - node.renewed >= RENEW or node.owner not in self.store.expires
        if due and not self.store_away:
            node.renew(self.store, self.now)
            self.messages += 1
        while node.hears and self.controls and self.now - node.beat >= BEAT:
            self.messages += 1
            report = node.report(self.now, self.window)
            begun = time.perf_counter()
            orders = self.conductor.report(report, self.now)
            self.decided += time.perf_counter() - begun
            node.heard = self.now
            if orders is None or self.store_away:
                node.beat = self.now
                break
            node.obey(orders, self.store, self.now)
            if not node.stores:
                node.beat = self.now

    def _decide(self) -> None:
        begun = time.perf_counter()
        self.conductor.expect(len(self.nodes))
        self.conductor.see(None if self.store_away else self.store.leases(self.now), self.now)
        grants = self.conductor.step(self.now)
        if not self.store_away:
            changed = self.store.grant(grants)
            again = len(changed) < len(grants) or self.now - self._reconciled >= 5.0
            if again:
                self._reconciled = self.now
            self.conductor.changed(list(self.store.rows.values()) if again else changed)
        self.decided += time.perf_counter() - begun
        self.messages += 2


def cameras_of(count: int) -> dict[str, Need]:
    """Returns cameras and what each takes: most of them quiet."""
    chance = random.Random(0)
    return {f"camera-{n:05}": BUSY if chance.random() < BUSY_SHARE else QUIET for n in range(count)}


def _spec(id: str) -> CameraSpec:
    return CameraSpec(WatchedCamera(id, id, SOURCE, ()), True)


@dataclass(frozen=True, slots=True)
class Scene:
    """What happened, and how it went.

    Attributes:
        name: what happened.
        seconds: simulated ones until every camera was watched again and none was on its way.
        cameras: that were concerned.
        messages: a second.
        core: share of a core that the decisions took, by simulated time.
    """

    name: str
    seconds: float
    cameras: int
    messages: float
    core: float


def simulate(cameras: int, nodes: int) -> list[Scene]:
    """Plays all scenes one after another on one cluster."""
    world = SimulatedCluster(cameras_of(cameras), nodes)

    def settled() -> bool:
        state = world.conductor.state(world.now)
        return world.watched() == cameras and not state.moving and not state.unplaced

    def play(name: str, happen: Callable[[], int], holds: Callable[[], bool]) -> Scene:
        messages, decided, begun = world.messages, world.decided, world.now
        concerned = happen()
        world.run(2 * TICK)
        world.until(holds, 7200.0)
        seconds = world.now - begun
        return Scene(
            name,
            seconds,
            concerned,
            (world.messages - messages) / seconds,
            (world.decided - decided) / seconds,
        )

    def kill(count: int) -> int:
        there = [node for node in world.nodes.values() if node.alive][:count]
        lost = sum(len(node.cameras) for node in there)
        for node in there:
            node.alive = False
        return lost

    def drain() -> int:
        node = next(node for node in world.nodes.values() if node.alive)
        world.store.drained.add(node.name)
        return len(node.cameras)

    def even() -> bool:
        return settled() and min(world.counts()) > 0

    def drained() -> bool:
        gone = [n for n in world.nodes.values() if n.alive and n.name in world.store.drained]
        return settled() and not any(node.cameras for node in gone)

    def restart() -> int:
        world.restart()
        return cameras

    def add() -> int:
        world.add()
        return cameras // nodes

    scenes = [play("all placed at first", lambda: cameras, settled)]
    world.run(60.0)
    scenes.append(play("quiet, a minute", lambda: world.run(60.0) or 0, settled))
    scenes.append(play("one node is killed", lambda: kill(1), settled))
    scenes.append(play("a tenth of the nodes is killed", lambda: kill(nodes // 10), settled))
    scenes.append(play("the controller is killed", restart, settled))
    scenes.append(play("a node comes", add, even))
    scenes.append(play("a node is drained", drain, drained))
    return scenes


def measure_store(cameras: int, nodes: int, url: str | None) -> dict[str, float]:
    """Returns the milliseconds that the store takes for what controller and nodes ask of it."""
    with tempfile.TemporaryDirectory() as folder:
        config = StoreConfig.model_validate({"url": url})
        store = Store.open(config, Path(folder))
        table = PlacementTable(store.engine)
        owners = [f"node-{n:03}#1" for n in range(nodes)]
        grants = [Grant(f"camera-{n:05}", owners[n % nodes], 0) for n in range(cameras)]
        try:
            return {
                "grant all cameras": _milliseconds(lambda: table.grant(grants), 1),
                "renew a lease": _milliseconds(lambda: table.renew(owners[0], "node-000"), 50),
                "read all leases": _milliseconds(table.leases, 20),
                "read all placements": _milliseconds(table.rows, 5),
                "release a camera": _milliseconds(
                    lambda: table.release("camera-00000", owners[0], 1, 0.0, {}), 20
                ),
            }
        finally:
            store.close()


def _milliseconds(work: Callable[[], Any], times: int) -> float:
    begun = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - begun) / times * 1e3


def main() -> None:
    """Plays the scenes and prints what came of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cameras", type=int, default=10_000)
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--store", help="an empty PostgreSQL database, as store.url has it")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    begun = time.perf_counter()
    scenes = simulate(chosen.cameras, chosen.nodes)
    store = measure_store(chosen.cameras, chosen.nodes, chosen.store)
    if chosen.json:
        print(json.dumps({"scenes": [asdict(scene) for scene in scenes], "store_ms": store}))
        return
    print(f"{chosen.cameras} cameras on {chosen.nodes} nodes")
    print(f"{'':32}{'seconds':>9}{'cameras':>9}{'messages/s':>12}{'of a core':>11}")
    for scene in scenes:
        print(
            f"{scene.name:32}{scene.seconds:>9.1f}{scene.cameras:>9}{scene.messages:>12.0f}"
            f"{scene.core:>11.1%}"
        )
    for name, milliseconds in store.items():
        print(f"{name:32}{milliseconds:>9.1f} ms")
    print(f"all of it took {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
