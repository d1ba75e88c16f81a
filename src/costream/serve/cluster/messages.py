"""What the controller and the nodes of a cluster say to each other: wishes and facts, no state.

A node reports, and is answered with all that is wanted of it. Either may be lost, repeated or late:
the next one says everything again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from costream.serve.cluster.need import Capacity, Need
from costream.serve.config.watched import WatchedCamera
from costream.serve.sinks.audience import Audience

Role = Literal["own", "prime", "yield"]
"""What a node does with a camera. ``own``: it makes events of it. ``prime``: it watches it and
keeps what it sees to itself, to take it over soon. ``yield``: it lets go of it for one that is
primed."""


@dataclass(frozen=True, slots=True)
class CameraSpec:
    """A camera as a node is to watch it.

    Attributes:
        camera: the camera.
        trusted: whether its URL stands in the service's file, and so may lead anywhere.
    """

    camera: WatchedCamera
    trusted: bool


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted of a node for one camera.

    Attributes:
        role: what it is to do.
        fence: the number under which it owns the camera; 0 where it does not.
    """

    role: Role
    fence: int = 0


@dataclass(frozen=True, slots=True)
class Orders:
    """All that is wanted of a node.

    Attributes:
        number: grows with every change; a node that has these already is sent none.
        cameras: by camera, what is to be done; nothing of any other.
        specs: of these cameras.
        audiences: the sinks that are told of events, by name.
    """

    number: int
    cameras: Mapping[str, Order]
    specs: Mapping[str, CameraSpec]
    audiences: Mapping[str, Audience]


@dataclass(frozen=True, slots=True)
class Report:
    """How a node is doing.

    Attributes:
        owner: the node's process: its node's name and a part of its own, another after each start.
        node: the node's name, for people.
        ready: whether its model is loaded.
        capacity: what it has for cameras.
        typical: what a camera takes of which nothing is known yet.
        orders: number of the last orders that it took; 0 before the first.
        roles: what it does with cameras.
        primed: cameras of which it holds a window and may take over.
        blind: cameras that it owns and can't see: they are lost, paused or failed.
        needs: what cameras take, as far as it knows.
        problems: in sentences, what is wrong there.
    """

    owner: str
    node: str
    ready: bool
    capacity: Capacity
    typical: Need
    orders: int = 0
    roles: Mapping[str, Order] = field(default_factory=dict)
    primed: frozenset[str] = frozenset()
    blind: frozenset[str] = frozenset()
    needs: Mapping[str, Need] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """Who owns a camera, as the store has it.

    Attributes:
        camera: the camera.
        owner: the process; empty for none.
        fence: grows with every change of the owner.
    """

    camera: str
    owner: str
    fence: int


@dataclass(frozen=True, slots=True)
class Lease:
    """That a process is there, as the store has it.

    Attributes:
        owner: the process.
        node: its node's name.
        left: seconds for which its cameras are still its own, by the database's clock.
        drained: whether its node is to have no cameras.
    """

    owner: str
    node: str
    left: float
    drained: bool = False


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node as the controller sees it.

    Attributes:
        node: its name.
        owner: its process.
        ready: whether its model is loaded.
        drained: whether it is to have no cameras.
        cameras: that it owns.
        primes: cameras that it is about to take over.
        load: how full it is: see :meth:`~costream.serve.cluster.need.Capacity.load`.
    """

    node: str
    owner: str
    ready: bool
    drained: bool
    cameras: int
    primes: int
    load: float


@dataclass(frozen=True, slots=True)
class ClusterState:
    """The cluster as the controller sees it.

    Attributes:
        nodes: all that are there.
        unplaced: cameras that nobody owns now.
        moving: cameras that are being handed over.
        problems: in sentences, what is wrong.
    """

    nodes: tuple[NodeState, ...] = ()
    unplaced: int = 0
    moving: int = 0
    problems: tuple[str, ...] = ()

    def with_problem(self, problem: str | None) -> ClusterState:
        """Returns it with one more problem, where there is one."""
        return self if problem is None else replace(self, problems=(problem, *self.problems))
