"""The controller's decisions: who is to own which camera, and how it gets there.

It has no clock, no thread and no database: it is told what is so, and says what is to be done. The
very same code runs in the controller, in its tests and in the simulation of a large cluster.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

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
from costream.serve.cluster.presence import Heard, Presence
from costream.serve.cluster.table import Grant
from costream.serve.config.model import EDGE, PUSH
from costream.serve.sinks.audience import Audience

MOVES = 4
"""Cameras that a node takes over at a time, beside those that nobody watches: each is read and
computed twice meanwhile."""

SETTLE = 30.0
"""Seconds for which a cluster that watches nothing yet waits for nodes whose models are still being
loaded, once one is ready."""

HEARD = 3.0
"""Seconds after which a controller that has just begun has heard of every node."""

BARRED = 600.0
"""Seconds for which a camera is not moved again to a node that could not see it."""

REVIEW = 10.0
"""Seconds after which cameras are evened out by what was measured meanwhile."""


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
        self._presence = Presence()
        self._moves: dict[str, _Move] = {}
        self._barred: dict[tuple[str, str], float] = {}
        self._needs: dict[str, Need] = {}
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
        self._stale |= self._presence.hear(report, now)
        for camera in [c for c, move in self._moves.items() if move.source == report.owner]:
            self._hear_of_leaving(camera, report)
        for camera, need in report.needs.items():
            if camera in self._wanted:
                self._needs[camera] = need
        return self._orders(report)

    def see(self, leases: Iterable[Lease] | None, now: float) -> None:
        """Takes the leases as the store has them; None where it can't be read."""
        self._stale |= self._presence.see(leases, now)

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
        if not self._known or not self._presence.is_known:
            return []
        alive = self._presence.alive(now)
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
        presence = self._presence
        alive = presence.alive(now)
        nodes = {owner: heard for owner in alive if (heard := presence.of(owner)) is not None}
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
                presence.is_drained(owner),
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

    # Where cameras are to be.

    def _is_settled(self, alive: set[str], now: float) -> bool:
        """Whether it is time to place cameras that nobody owns."""
        if any(self._owned[owner] for owner in alive):
            return True
        heard = [self._presence.of(owner) for owner in alive]
        ready = sum(one.report.ready for one in heard if one is not None)
        if ready >= self._expected and now - self._begun >= HEARD:
            return True
        first = self._presence.first_ready
        return first is not None and now - first >= SETTLE

    def _put(self, row: Row) -> None:
        self._owned[self._owner(row.camera)].discard(row.camera)
        self._owned[row.owner].add(row.camera)
        self._rows[row.camera] = row

    def _owner(self, camera: str) -> str:
        row = self._rows.get(camera)
        return "" if row is None else row.owner

    def _place(self, alive: set[str], now: float) -> None:
        nodes = self._presence.eligible(alive, now)
        self._barred = {pair: until for pair, until in self._barred.items() if until > now}
        capacities = {owner: node.report.capacity for owner, node in nodes.items()}
        silent = {o for o in alive if o not in nodes and not self._presence.is_drained(o)}
        needs = {
            camera: need
            for camera, need in self._all_needs().items()
            if self._owner(camera) not in silent
        }
        self._targets = place(needs, self._there(nodes, alive), capacities, self._barred)

    def _there(self, nodes: Mapping[str, Heard], alive: set[str]) -> dict[str, str]:
        """Returns where cameras are, or are about to be."""
        there = {c: owner for c in self._wanted if (owner := self._owner(c)) in alive}
        for owner, node in nodes.items():
            for camera in _primes(node.report):
                there.setdefault(camera, owner)
        there.update({camera: move.target for camera, move in self._moves.items()})
        return there

    def _all_needs(self) -> dict[str, Need]:
        """Returns what each camera takes: as measured, or as is typical."""
        typical = self._presence.typical
        return {
            camera: Need() if spec.camera.paused else self._needs.get(camera, typical)
            for camera, spec in self._wanted.items()
        }

    # How they get there.

    def _begin_moves(self, alive: set[str], now: float) -> None:
        nodes = self._presence.eligible(alive, now)
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
        heard = all(self._presence.of(owner) is not None for owner in alive)
        return heard or now - self._begun >= HEARD

    def _end_moves(self, alive: set[str], now: float) -> None:
        """Gives up moves that lead nowhere, and has sources let go where targets are primed."""
        nodes = self._presence.eligible(alive, now)
        for camera, move in list(self._moves.items()):
            deaf = self._presence.is_deaf(move.source, now)
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
        source, target = self._presence.of(move.source), self._presence.of(move.target)
        # What is sent to us has one sender, which can't send to two nodes at once.
        sent = self._wanted[camera].camera.config.url in (PUSH, EDGE)
        if sent or (target is not None and camera in target.report.primed):
            return True
        blind = source is not None and camera in source.report.blind
        late = now - move.begun > self._patience
        return blind or (late and self._presence.is_drained(move.source))

    def _is_released(self, camera: str, move: _Move) -> bool:
        return move.leaving and self._owner(camera) == ""

    def _hear_of_leaving(self, camera: str, report: Report) -> None:
        """Notes that a source has let go, which it has written into the store before it says so."""
        move, row = self._moves[camera], self._rows[camera]
        heard = self._presence.of(report.owner)
        up_to_date = heard is not None and report.orders == heard.sent.number
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
            and self._presence.of(target) is not None
        ]

    def _revoked(self, alive: set[str]) -> list[Grant]:
        """Returns cameras that are not wanted, and that their owners have ended."""
        grants = []
        for camera, row in self._rows.items():
            if camera in self._wanted or not row.owner:
                continue
            heard = self._presence.of(row.owner)
            done = heard is not None and _has_ended(heard, camera)
            if row.owner not in alive or done:
                grants.append(Grant(camera, "", row.fence))
        return grants

    def _fence(self, camera: str) -> int:
        row = self._rows.get(camera)
        return 0 if row is None else row.fence

    # What is told to whom.

    def _orders(self, report: Report) -> Orders | None:
        heard = self._presence.of(report.owner)
        if not self._known or not report.ready or heard is None:
            return None
        cameras = self._orders_of(report)
        specs = {camera: self._wanted[camera] for camera in cameras}
        orders = Orders(heard.sent.number, cameras, specs, self._audiences)
        if orders != heard.sent or not heard.sent.number:
            self._number += 1
            heard.sent = replace(orders, number=self._number)
        return None if report.orders == heard.sent.number else heard.sent

    def _orders_of(self, report: Report) -> dict[str, Order]:
        owner, found = report.owner, {}
        for camera in self._owned[owner] & self._wanted.keys():
            move = self._moves.get(camera)
            leaving = move is not None and move.leaving and move.source == owner
            found[camera] = Order("yield" if leaving else "own", self._fence(camera))
        coming = {camera for camera, move in self._moves.items() if move.target == owner}
        # What the last controller had it prime is about to be its own, where nobody else owns it.
        coming |= {c for c in _primes(report) if not self._owner(c)}
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


def _has_ended(heard: Heard, camera: str) -> bool:
    """Whether a process knows that it is not to have a camera, and has ended it."""
    told = camera not in heard.sent.cameras and heard.report.orders == heard.sent.number
    return told and camera not in heard.report.roles


def _told(report: Report) -> list[str]:
    return [f"{report.node}: {problem}" for problem in report.problems]


def _primes(report: Report) -> list[str]:
    return [camera for camera, order in report.roles.items() if order.role == "prime"]
