"""The controller's decisions: who is to own which camera, and how it gets there.

It has no clock, no thread and no database: it is told what is so, and says what is to be done. The
very same code runs in the controller, in its tests and in the simulation of a large cluster.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from costream.serve.cluster.messages import (
    CameraSpec,
    ClusterState,
    Lease,
    NodeState,
    Order,
    Orders,
    Report,
    Row,
)
from costream.serve.cluster.need import Need
from costream.serve.cluster.placement import load_of, place
from costream.serve.cluster.table import LEASE, Grant
from costream.serve.config.model import EDGE, PUSH
from costream.serve.sinks.audience import Audience

MOVES = 4
"""Cameras that a node takes over at a time, beside those that nobody watches: each is read and
computed twice meanwhile."""

FRESH = 2.5
"""Seconds that the newest lease has left at the least while the store takes renewals: where even that
one is older, the store stood still, and no process is taken for dead."""

SETTLE = 30.0
"""Seconds for which a cluster that watches nothing yet waits for nodes whose models are still being
loaded, once one is ready."""

HEARD = 3.0
"""Seconds after which a controller that has just begun has heard of every node."""

BARRED = 600.0
"""Seconds for which a camera is not moved again to a node that could not see it."""

FORGOTTEN = 600.0
"""Seconds after which a node that was not heard of any more is forgotten."""

REVIEW = 10.0
"""Seconds after which cameras are evened out by what was measured meanwhile."""


@dataclass(slots=True)
class _Node:
    """A process that reported.

    Attributes:
        report: its last one.
        heard: when that came.
        sent: the orders that it was given last.
    """

    report: Report
    heard: float
    sent: Orders


@dataclass(slots=True)
class _Move:
    """A camera on its way from one process to another.

    Attributes:
        source: who owns it.
        target: who is to own it.
        begun: when it began.
        leaving: whether the source is to let go of it.
    """

    source: str
    target: str
    begun: float
    leaving: bool = False


@dataclass(slots=True)
class _Contact:
    """How the store could be read.

    Attributes:
        since: from when on without a break, and with renewals in it; None while it can't be.
        broken: whether it ever could not.
    """

    since: float | None = None
    broken: bool = False
    leases: dict[str, Lease] = field(default_factory=dict)


class Conductor:
    """Decides for all cameras of a cluster. One thread uses it at a time.

    Moments are seconds of any clock that does not jump.

    Args:
        begun: now.
        rows: the placements, as the store has them.
        first: number of the first orders; larger than any that an earlier controller gave.
        patience: seconds for which a camera may take to be seen by its new node, with a window.
    """

    def __init__(
        self, begun: float, rows: Iterable[Row], *, first: int = 1, patience: float = 60.0
    ) -> None:
        self._begun = begun
        self._patience = patience
        self._rows: dict[str, Row] = {}
        self._owned: defaultdict[str, set[str]] = defaultdict(set)
        for row in rows:
            self._put(row)
        self._wanted: dict[str, CameraSpec] = {}
        self._audiences: dict[str, Audience] = {}
        self._known = False
        self._nodes: dict[str, _Node] = {}
        self._moves: dict[str, _Move] = {}
        self._barred: dict[tuple[str, str], float] = {}
        self._contact = _Contact()
        self._needs: dict[str, Need] = {}
        self._first_ready: float | None = None
        self._number = first
        self._expected = 0
        self._reviewed = float("-inf")
        self._stale = True
        self._targets: dict[str, str] = {}

    @property
    def is_told(self) -> bool:
        """Whether it was said which cameras are wanted."""
        return self._known

    # What it is told.

    def want(self, cameras: Mapping[str, CameraSpec], audiences: Mapping[str, Audience]) -> None:
        """Takes note of all cameras that are to be watched, and of the sinks."""
        self._audiences = dict(audiences)
        self._needs = {camera: need for camera, need in self._needs.items() if camera in cameras}
        self._stale |= cameras.keys() != self._wanted.keys() or not self._known
        self._wanted, self._known = dict(cameras), True

    def expect(self, nodes: int) -> None:
        """Takes note of how many nodes there should be by now."""
        self._expected = nodes

    def report(self, report: Report, now: float) -> Orders | None:
        """Takes a node's report; returns what is wanted of it, None where it knows that already.

        Until it was said which cameras are wanted, nodes are to go on as they are: None as well.
        """
        node = self._nodes.get(report.owner)
        if node is None:
            self._forget_former(report)
            node = self._nodes[report.owner] = _Node(report, now, Orders(0, {}, {}, {}))
            self._stale = True
        self._stale |= node.report.ready != report.ready
        node.report, node.heard = report, now
        if report.ready and self._first_ready is None:
            self._first_ready = now
        for camera in [c for c, move in self._moves.items() if move.source == report.owner]:
            self._hear_of_leaving(camera, report)
        for camera, need in report.needs.items():
            if camera in self._wanted:
                self._needs[camera] = need
        return self._orders(node)

    def see(self, leases: Iterable[Lease] | None, now: float) -> None:
        """Takes the leases as the store has them; None where it can't be read."""
        contact = self._contact
        if leases is None:
            contact.since, contact.broken = None, True
            return
        found = {lease.owner: lease for lease in leases}
        drained = {lease.node for lease in found.values() if lease.drained}
        before = {lease.node for lease in contact.leases.values() if lease.drained}
        if max((lease.left for lease in found.values()), default=LEASE) < FRESH:
            contact.since = now
        elif contact.since is None:
            contact.since = now if contact.broken else now - LEASE
        gone = [o for o, node in self._nodes.items() if now - node.heard > FORGOTTEN]
        for owner in gone:
            del self._nodes[owner]
        self._stale |= drained != before or found.keys() != contact.leases.keys()
        contact.leases = found

    def changed(self, rows: Iterable[Row]) -> None:
        """Takes rows as the store has them now."""
        for row in rows:
            self._put(row)
            move = self._moves.get(row.camera)
            if move is not None and row.owner != move.source and row.owner:
                del self._moves[row.camera]

    # What it says.

    def step(self, now: float) -> list[Grant]:
        """Returns which cameras are to get another owner now."""
        if not self._known or self._contact.since is None:
            return []
        alive = self._alive(now)
        self._end_moves(alive, now)
        free = [camera for camera in self._wanted if self._owner(camera) not in alive]
        if free and not self._is_settled(alive, now):
            return self._revoked(alive)
        if free or self._stale or now - self._reviewed >= REVIEW:
            self._reviewed, self._stale = now, False
            self._place(alive, now)
        self._begin_moves(alive, now)
        return [*self._grants(free), *self._handed_over(), *self._revoked(alive)]

    def state(self, now: float) -> ClusterState:
        """Returns how the cluster is doing."""
        alive = self._alive(now) if self._contact.since is not None else set(self._nodes)
        nodes = {owner: node for owner, node in self._nodes.items() if owner in alive}
        placed = {camera: self._owner(camera) for camera in self._wanted}
        owned = Counter(placed.values())
        coming = Counter(move.target for move in self._moves.values())
        capacities = {owner: node.report.capacity for owner, node in nodes.items()}
        loads = load_of(self._all_needs(), placed, capacities)
        states = [
            NodeState(
                node.report.node,
                owner,
                node.report.ready,
                self._is_drained(owner),
                owned[owner],
                coming[owner],
                loads[owner],
            )
            for owner, node in sorted(nodes.items())
        ]
        unplaced = sum(1 for owner in placed.values() if owner not in alive)
        told = [problem for node in nodes.values() for problem in _told(node.report)]
        problems = (*told, *self._problems(states, unplaced))
        return ClusterState(tuple(states), unplaced, len(self._moves), problems)

    # Who is there.

    def _alive(self, now: float) -> set[str]:
        """Returns the processes whose cameras are their own."""
        contact = self._contact
        trusted = contact.since is not None and now - contact.since >= LEASE
        return {
            owner
            for owner, lease in contact.leases.items()
            if (lease.left > 0 or not trusted) and not self._is_former(owner)
        }

    def _eligible(self, alive: set[str], now: float) -> dict[str, _Node]:
        """Returns the nodes that cameras may be given to."""
        return {
            owner: node
            for owner, node in self._nodes.items()
            if owner in alive
            and node.report.ready
            and now - node.heard <= LEASE
            and not self._is_drained(owner)
        }

    def _is_drained(self, owner: str) -> bool:
        lease = self._contact.leases.get(owner)
        return lease is not None and lease.drained

    def _is_former(self, owner: str) -> bool:
        """Whether a process was replaced by another one of the same node since."""
        lease = self._contact.leases.get(owner)
        return (
            lease is not None
            and owner not in self._nodes
            and any(node.report.node == lease.node for node in self._nodes.values())
        )

    def _forget_former(self, report: Report) -> None:
        former = [o for o, node in self._nodes.items() if node.report.node == report.node]
        for owner in former:
            del self._nodes[owner]

    def _is_settled(self, alive: set[str], now: float) -> bool:
        """Whether it is time to place cameras that nobody owns."""
        if any(self._owned[owner] for owner in alive):
            return True
        ready = sum(node.report.ready for owner, node in self._nodes.items() if owner in alive)
        if ready >= self._expected and now - self._begun >= HEARD:
            return True
        return self._first_ready is not None and now - self._first_ready >= SETTLE

    def _put(self, row: Row) -> None:
        self._owned[self._owner(row.camera)].discard(row.camera)
        self._owned[row.owner].add(row.camera)
        self._rows[row.camera] = row

    def _owner(self, camera: str) -> str:
        row = self._rows.get(camera)
        return "" if row is None else row.owner

    # Where cameras are to be.

    def _place(self, alive: set[str], now: float) -> None:
        nodes = self._eligible(alive, now)
        self._barred = {pair: until for pair, until in self._barred.items() if until > now}
        capacities = {owner: node.report.capacity for owner, node in nodes.items()}
        silent = {o for o in alive if o not in nodes and not self._is_drained(o)}
        needs = {
            camera: need
            for camera, need in self._all_needs().items()
            if self._owner(camera) not in silent
        }
        self._targets = place(needs, self._there(nodes, alive), capacities, self._barred)

    def _there(self, nodes: Mapping[str, _Node], alive: set[str]) -> dict[str, str]:
        """Returns where cameras are, or are about to be."""
        there = {c: owner for c in self._wanted if (owner := self._owner(c)) in alive}
        for owner, node in nodes.items():
            for camera in _primes(node.report):
                there.setdefault(camera, owner)
        there.update({camera: move.target for camera, move in self._moves.items()})
        return there

    def _all_needs(self) -> dict[str, Need]:
        """Returns what each camera takes: as measured, or as is typical."""
        ready = (node.report.typical for node in self._nodes.values() if node.report.ready)
        typical = next(ready, Need())
        return {
            camera: Need() if spec.camera.paused else self._needs.get(camera, typical)
            for camera, spec in self._wanted.items()
        }

    # How they get there.

    def _begin_moves(self, alive: set[str], now: float) -> None:
        nodes = self._eligible(alive, now)
        if not self._has_heard_of_all(alive, now):
            return
        coming = dict.fromkeys(nodes, 0)
        for move in self._moves.values():
            coming[move.target] = coming.get(move.target, 0) + 1
        for camera, target in self._targets.items():
            owner = self._owner(camera)
            if owner not in alive or owner == target or camera in self._moves:
                continue
            if camera in self._wanted and target in nodes and coming[target] < MOVES:
                coming[target] += 1
                self._moves[camera] = _Move(owner, target, now)

    def _has_heard_of_all(self, alive: set[str], now: float) -> bool:
        return alive <= self._nodes.keys() or now - self._begun >= HEARD

    def _end_moves(self, alive: set[str], now: float) -> None:
        """Gives up moves that lead nowhere, and has sources let go where targets are primed."""
        nodes = self._eligible(alive, now)
        for camera, move in list(self._moves.items()):
            source = self._nodes.get(move.source)
            deaf = source is None or now - source.heard > LEASE
            gone = camera not in self._wanted or move.target not in nodes or deaf
            if gone or (move.source not in alive and not self._is_released(camera, move)):
                del self._moves[camera]
                self._stale = True
            elif self._may_leave(camera, move, now):
                move.leaving = True
            elif not move.leaving and now - move.begun > self._patience:
                self._barred[camera, move.target] = now + BARRED
                del self._moves[camera]
                self._stale = True

    def _may_leave(self, camera: str, move: _Move, now: float) -> bool:
        source, target = self._nodes.get(move.source), self._nodes[move.target]
        # What is sent to us has one sender, which can't send to two nodes at once.
        sent = self._wanted[camera].camera.config.url in (PUSH, EDGE)
        if camera in target.report.primed or sent:
            return True
        blind = source is not None and camera in source.report.blind
        late = now - move.begun > self._patience
        return blind or (late and self._is_drained(move.source))

    def _is_released(self, camera: str, move: _Move) -> bool:
        return move.leaving and self._owner(camera) == ""

    def _hear_of_leaving(self, camera: str, report: Report) -> None:
        """Notes that a source has let go, which it has written into the store before it says so."""
        move, row = self._moves[camera], self._rows[camera]
        up_to_date = report.orders == self._nodes[report.owner].sent.number
        gone = move.leaving and up_to_date and camera not in report.roles
        if gone and row.owner == move.source:
            self._put(replace(row, owner=""))

    def _handed_over(self) -> list[Grant]:
        """Returns cameras that their sources have let go of."""
        return [
            Grant(camera, move.target, self._rows[camera].fence)
            for camera, move in self._moves.items()
            if self._is_released(camera, move)
        ]

    def _grants(self, free: Iterable[str]) -> list[Grant]:
        """Returns cameras that nobody owns."""
        return [
            Grant(camera, target, self._fence(camera))
            for camera in free
            if camera not in self._moves
            and (target := self._targets.get(camera)) is not None
            and target in self._nodes
        ]

    def _revoked(self, alive: set[str]) -> list[Grant]:
        """Returns cameras that are not wanted, and that their owners have ended."""
        grants = []
        for camera, row in self._rows.items():
            if camera in self._wanted or not row.owner:
                continue
            node = self._nodes.get(row.owner)
            done = node is not None and self._has_ended(node, camera)
            if row.owner not in alive or done:
                grants.append(Grant(camera, "", row.fence))
        return grants

    def _has_ended(self, node: _Node, camera: str) -> bool:
        told = camera not in node.sent.cameras and node.report.orders == node.sent.number
        return told and camera not in node.report.roles

    def _fence(self, camera: str) -> int:
        row = self._rows.get(camera)
        return 0 if row is None else row.fence

    # What is told to whom.

    def _orders(self, node: _Node) -> Orders | None:
        if not self._known or not node.report.ready:
            return None
        cameras = self._orders_of(node.report.owner)
        specs = {camera: self._wanted[camera] for camera in cameras}
        orders = Orders(node.sent.number, cameras, specs, self._audiences)
        if orders != node.sent or not node.sent.number:
            self._number += 1
            node.sent = replace(orders, number=self._number)
        return None if node.report.orders == node.sent.number else node.sent

    def _orders_of(self, owner: str) -> dict[str, Order]:
        found = {}
        for camera in self._owned[owner] & self._wanted.keys():
            move = self._moves.get(camera)
            leaving = move is not None and move.leaving and move.source == owner
            found[camera] = Order("yield" if leaving else "own", self._fence(camera))
        coming = {camera for camera, move in self._moves.items() if move.target == owner}
        # What the last controller had it prime is about to be its own, where nobody else owns it.
        coming |= {c for c in _primes(self._nodes[owner].report) if not self._owner(c)}
        for camera in (coming & self._wanted.keys()) - found.keys():
            found[camera] = Order("prime")
        return found

    def _problems(self, states: Iterable[NodeState], unplaced: int) -> list[str]:
        problems = []
        if unplaced:
            problems.append(
                f"{unplaced} of {len(self._wanted)} cameras are watched by no node: add nodes, or "
                "look whether those that there are have loaded the model."
            )
        full = [state for state in states if state.load > 1]
        if full:
            worst = max(full, key=lambda state: state.load)
            problems.append(
                f"{len(full)} nodes have more cameras than they carry, {worst.node} "
                f"{worst.load:.1f} times as many: add nodes, or watch with a longer stride."
            )
        return problems


def _told(report: Report) -> list[str]:
    return [f"{report.node}: {problem}" for problem in report.problems]


def _primes(report: Report) -> list[str]:
    return [camera for camera, order in report.roles.items() if order.role == "prime"]
