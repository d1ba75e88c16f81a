"""Which processes watch on which machines."""

from __future__ import annotations

from costream.serve.cluster.slots import Machine, slots_of

HEAD = Machine("aaaaaaaa", "head", "10.0.0.1", 0, 0)
PLAIN = Machine("bbbbbbbb", "plain", "10.0.0.2", 8, 0)
LARGE = Machine("cccccccc", "large", "10.0.0.3", 32, 4)


def test_each_machine_without_a_gpu_is_one_node() -> None:
    (slot,) = slots_of([PLAIN, HEAD], None)
    assert (slot.name, slot.machine, slot.cpus, slot.gpus) == ("plain-bbbbbb", "bbbbbbbb", 8, 0)


def test_each_gpu_is_one_and_then_machines_without_watch_nothing() -> None:
    slots = slots_of([PLAIN, LARGE, HEAD], None)
    assert [slot.name for slot in slots] == [f"large-cccccc-gpu{n}" for n in range(4)]
    assert {(slot.cpus, slot.gpus) for slot in slots} == {(8, 1)}


def test_the_engine_may_be_kept_to_cpus() -> None:
    assert [slot.gpus for slot in slots_of([PLAIN, LARGE], "cpu")] == [0, 0]
