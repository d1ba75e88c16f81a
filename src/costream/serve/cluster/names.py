"""What the service's actors are called in a cluster of Ray's."""

NAMESPACE = "costream"

CONTROLLER = "controller"


def node_actor(slot: str) -> str:
    """Returns the name of the actor of a slot."""
    return f"node-{slot}"
