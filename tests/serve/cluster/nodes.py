"""A cluster of Ray's on this machine, kept by a process of its own.

Ray leaves files open in whoever starts it, which tests would be blamed for. ``python -m
tests.serve.cluster.nodes`` takes a command a line, ``add`` or ``kill ID``, and ends with its input.
"""

from __future__ import annotations

import os
import subprocess
import sys

HEAD = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 80 << 20}
NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}


class Nodes:
    """The cluster as tests see it.

    Attributes:
        address: to connect to.
        ids: Ray's, of the nodes that may watch.
    """

    def __init__(self, count: int) -> None:
        command = [sys.executable, "-m", __name__]
        # Ray's own niceness, 15, would leave nodes little beside tests that run meanwhile.
        own = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **own},
            text=True,
        )
        self.address = self._answer()
        self.ids: list[str] = []
        for _ in range(count):
            self.add()

    def add(self) -> str:
        """Adds a node with one core; returns its id."""
        self.ids.append(self._ask("add"))
        return self.ids[-1]

    def kill(self, id: str) -> None:
        """Kills a node as a machine that loses its power ends."""
        self.ids.remove(self._ask(f"kill {id}"))

    def close(self) -> None:
        with self._process as process:
            process.stdin.close()
            process.wait(60)

    def _ask(self, line: str) -> str:
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        while line := self._process.stdout.readline():
            if line.startswith("= "):
                return line[2:].strip()
        raise AssertionError("the cluster has ended")


def main() -> None:
    """Keeps a cluster until the input ends."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args=HEAD)
    nodes = {}
    print("=", cluster.address, flush=True)
    for line in sys.stdin:
        command, *names = line.split()
        if command == "add":
            node = cluster.add_node(**NODE)
            nodes[node.node_id] = node
            names = [node.node_id]
        else:
            cluster.remove_node(nodes[names[0]], allow_graceful=False)
        print("=", names[0], flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
