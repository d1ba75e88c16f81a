"""Which processes of a cluster are there, by what they report and by their leases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from costream.serve.cluster.messages import Lease, Orders, Report
from costream.serve.cluster.need import Need
from costream.serve.cluster.table import LEASE

FRESH = 2.5
"""Seconds that the newest lease has left at the least while the store takes renewals. Where even
that one is older, the store stood still, and no process is taken for dead."""

FORGOTTEN = 600.0
"""Seconds after which a process that was not heard of any more is forgotten."""


@dataclass(slots=True)
class Heard:
    """A process that reported.

    Attributes:
        report: its last one.
        at: when that came.
        sent: the orders that it was given last.
    """

    report: Report
    at: float
    sent: Orders


class Presence:
    """Knows who is there. One thread uses it at a time; moments are the caller's."""

    def __init__(self) -> None:
        self._heard: dict[str, Heard] = {}
        self._leases: dict[str, Lease] = {}
        self._since: float | None = None  # from when on the store is read, with renewals in it
        self._broke = False
        self._first_ready: float | None = None

    @property
    def is_known(self) -> bool:
        """Whether the store can be read now."""
        return self._since is not None

    @property
    def first_ready(self) -> float | None:
        """When a model was first loaded; None before."""
        return self._first_ready

    @property
    def typical(self) -> Need:
        """What a camera takes of which nothing is known, as nodes say."""
        ready = (heard.report.typical for heard in self._heard.values() if heard.report.ready)
        return next(ready, Need())

    def hear(self, report: Report, now: float) -> bool:
        """Takes a report; returns whether there is another process, or one more is ready."""
        before = self._heard.get(report.owner)
        if report.ready and self._first_ready is None:
            self._first_ready = now
        if before is not None:
            changed = before.report.ready != report.ready
            before.report, before.at = report, now
            return changed
        for owner in [o for o, heard in self._heard.items() if heard.report.node == report.node]:
            del self._heard[owner]
        self._heard[report.owner] = Heard(report, now, Orders(0, {}, {}, {}))
        return True

    def see(self, leases: Iterable[Lease] | None, now: float) -> bool:
        """Takes the leases as the store has them; None where it can't be read.

        Returns:
            Whether other processes have some, or other nodes are drained.
        """
        if leases is None:
            self._since, self._broke = None, True
            return False
        before, self._leases = self._leases, {lease.owner: lease for lease in leases}
        if max((lease.left for lease in self._leases.values()), default=LEASE) < FRESH:
            self._since = now
        elif self._since is None:
            self._since = now if self._broke else now - LEASE
        for owner in [o for o, heard in self._heard.items() if now - heard.at > FORGOTTEN]:
            del self._heard[owner]
        return _drained(before) != _drained(self._leases) or before.keys() != self._leases.keys()

    def of(self, owner: str) -> Heard | None:
        """Returns what was heard of a process; None where nothing was."""
        return self._heard.get(owner)

    def alive(self, now: float) -> set[str]:
        """Returns the processes whose cameras are their own.

        Those whose leases have run out are not, where the store was read for as long as a lease
        holds. Where it can't be read now, it is who reported.
        """
        if self._since is None:
            return set(self._heard)
        trusted = now - self._since >= LEASE
        return {
            owner
            for owner, lease in self._leases.items()
            if (lease.left > 0 or not trusted) and not self._is_former(lease)
        }

    def eligible(self, alive: set[str], now: float) -> dict[str, Heard]:
        """Returns the processes that cameras may be given to."""
        return {
            owner: heard
            for owner, heard in self._heard.items()
            if owner in alive
            and heard.report.ready
            and not self.is_deaf(owner, now)
            and not self.is_drained(owner)
        }

    def is_drained(self, owner: str) -> bool:
        """Whether a process is to have no cameras."""
        lease = self._leases.get(owner)
        return lease is not None and lease.drained

    def is_deaf(self, owner: str, now: float) -> bool:
        """Whether a process can't be told anything, as it seems."""
        heard = self._heard.get(owner)
        return heard is None or now - heard.at > LEASE

    def _is_former(self, lease: Lease) -> bool:
        """Whether another process of the same node has begun since."""
        return lease.owner not in self._heard and any(
            heard.report.node == lease.node for heard in self._heard.values()
        )


def _drained(leases: dict[str, Lease]) -> set[str]:
    return {lease.node for lease in leases.values() if lease.drained}
