"""Which node watches which camera: no clock, no chance, no memory."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from costream.serve.cluster.need import Capacity, Need, total

SLACK = 0.2
"""Share of the nodes' mean load by which a move has to make the fuller of two nodes emptier. What
is measured of cameras varies, and a camera is not to be moved forth and back by that."""


def place(
    needs: Mapping[str, Need],
    placed: Mapping[str, str],
    nodes: Mapping[str, Capacity],
    barred: Collection[tuple[str, str]] = (),
) -> dict[str, str]:
    """Returns the node of every camera, with few moves of those that have one.

    Cameras without a node go, the largest first, to the node that is least full; then cameras move
    from the fullest node to the emptiest for as long as that evens them out. Nodes may become
    fuller than they are large, where all are: that is for the caller to tell.

    Args:
        needs: what each camera takes.
        placed: the nodes that cameras have now, some of which may not be there any more.
        nodes: those that may have cameras. Where there is none, no camera is placed.
        barred: pairs of a camera and a node that it is not to be moved to.
    """
    if not nodes:
        return {}
    found = {camera: placed[camera] for camera in needs if placed.get(camera) in nodes}
    _spread(needs, found, nodes)
    _even_out(needs, found, nodes, barred)
    return found


def load_of(
    needs: Mapping[str, Need], placed: Mapping[str, str], nodes: Mapping[str, Capacity]
) -> dict[str, float]:
    """Returns how full each node is: see :meth:`Capacity.load`."""
    there = _by_node(needs, placed)
    return {node: _load(there[node], needs, capacity) for node, capacity in nodes.items()}


def _spread(
    needs: Mapping[str, Need], found: dict[str, str], nodes: Mapping[str, Capacity]
) -> None:
    """Places the cameras that have no node."""
    sizes = {
        camera: max(capacity.load(needs[camera]) for capacity in set(nodes.values()))
        for camera in needs.keys() - found.keys()
    }
    there = _by_node(needs, found)
    taken = {node: total(needs[camera] for camera in there[node]) for node in nodes}
    heap = [(nodes[node].load(need), node) for node, need in taken.items()]
    heapq.heapify(heap)
    for camera in sorted(sizes, key=lambda camera: (-sizes[camera], camera)):
        _, node = heapq.heappop(heap)
        found[camera] = node
        taken[node] += needs[camera]
        heapq.heappush(heap, (nodes[node].load(taken[node]), node))


def _even_out(
    needs: Mapping[str, Need],
    found: dict[str, str],
    nodes: Mapping[str, Capacity],
    barred: Collection[tuple[str, str]],
) -> None:
    """Moves cameras from the fullest node to the emptiest."""
    there = _by_node(needs, found)
    loads = {node: _load(there[node], needs, capacity) for node, capacity in nodes.items()}
    for _ in range(len(needs)):
        slack = SLACK * sum(loads.values()) / len(loads)
        empty = min(nodes, key=lambda node: (loads[node], node))
        full = max(nodes, key=lambda node: (loads[node], node))
        ends = []
        for camera in there[full]:
            comes = loads[empty] + nodes[empty].load(needs[camera])
            leaves = loads[full] - nodes[full].load(needs[camera])
            if comes < loads[full] - slack and (camera, empty) not in barred:
                ends.append((max(leaves, comes), camera))
        if not ends:
            return
        _, camera = min(ends)
        found[camera] = empty
        there[full].discard(camera)
        there[empty].add(camera)
        for node in (full, empty):
            loads[node] = _load(there[node], needs, nodes[node])


def _load(there: Iterable[str], needs: Mapping[str, Need], capacity: Capacity) -> float:
    return capacity.load(total(needs[camera] for camera in sorted(there)))


def _by_node(needs: Mapping[str, Need], placed: Mapping[str, str]) -> defaultdict[str, set[str]]:
    there: defaultdict[str, set[str]] = defaultdict(set)
    for camera, node in placed.items():
        if camera in needs:
            there[node].add(camera)
    return there
