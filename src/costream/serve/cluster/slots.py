"""Which processes watch on which machines: one a GPU, or one a machine without GPUs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Machine:
    """A node of Ray's.

    Attributes:
        id: Ray's.
        name: what people call it.
        address: where it is.
        cpus: that Ray may use there.
        gpus: likewise.
    """

    id: str
    name: str
    address: str
    cpus: float
    gpus: float


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for one process that watches.

    Attributes:
        name: what people call it: another one for each start of a machine.
        machine: Ray's id of its machine.
        cpus: that the process takes there.
        gpus: likewise.
    """

    name: str
    machine: str
    cpus: int
    gpus: int


def slots_of(machines: Iterable[Machine], device: str | None) -> list[Slot]:
    """Returns the processes that there should be.

    GPUs watch where there are any, and machines' CPUs where there are none, or where the engine's
    device is the CPU. A machine that gives Ray no CPU, such as a head, watches nothing.

    Args:
        machines: all that are there.
        device: the engine's, as configured.
    """
    there = sorted(machines, key=lambda machine: machine.id)
    gpus = device != "cpu" and any(machine.gpus >= 1 for machine in there)
    return [slot for machine in there for slot in (_gpus(machine) if gpus else _cpus(machine))]


def _cpus(machine: Machine) -> list[Slot]:
    count = int(machine.cpus)
    return [Slot(_name(machine), machine.id, count, 0)] if count else []


def _gpus(machine: Machine) -> list[Slot]:
    count = int(machine.gpus)
    cpus = int(machine.cpus) // max(count, 1)
    if count == 1:
        return [Slot(_name(machine), machine.id, cpus, 1)]
    return [Slot(f"{_name(machine)}-gpu{n}", machine.id, cpus, 1) for n in range(count)]


def _name(machine: Machine) -> str:
    return f"{machine.name}-{machine.id[:6]}"
