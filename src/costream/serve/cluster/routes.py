"""Routes of a cluster's nodes, which a service on one machine does not have."""

from __future__ import annotations

from typing import Protocol

from fastapi import APIRouter

from costream.serve.api.errors import ERRORS
from costream.serve.backend import Health, NodeStatus


class Nodes(Protocol):
    """What the routes need of the service."""

    def health(self) -> Health: ...
    def drain(self, node: str, drained: bool) -> None:
        """Has a node hand on its cameras and get none, or be given some again."""
        ...


def nodes_router(service: Nodes) -> APIRouter:
    """Returns the routes below ``/api/nodes``.

    Args:
        service: the service on a cluster.
    """
    router = APIRouter(prefix="/api/nodes", tags=["nodes"], responses=ERRORS)

    @router.get("", summary="The nodes of the cluster")
    def list_nodes() -> list[NodeStatus]:
        """Returns all nodes and how full they are."""
        return list(service.health().nodes)

    @router.post("/{name}/drain", status_code=204, summary="Take a node's cameras away")
    def drain_node(name: str) -> None:
        """Has a node hand on all its cameras and get none, such as before it is taken away."""
        service.drain(name, True)

    @router.delete("/{name}/drain", status_code=204, summary="Give a node cameras again")
    def undrain_node(name: str) -> None:
        """Has a node that was drained be given cameras again."""
        service.drain(name, False)

    return router
