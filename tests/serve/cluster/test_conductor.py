"""The controller's decisions, with nodes that are simulated and fail in every way."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripts.scale import OPEN, SimulatedCluster, cameras_of

from costream.serve.cluster.conductor import HEARD, SETTLE
from costream.serve.cluster.messages import Row
from costream.serve.cluster.table import LEASE

SOON = 120.0
WINDOW = 4.0


def cluster(cameras: int = 12, nodes: int = 3) -> SimulatedCluster:
    return SimulatedCluster(cameras_of(cameras), nodes, window=WINDOW)


def placed(cameras: int = 12, nodes: int = 3) -> SimulatedCluster:
    world = cluster(cameras, nodes)
    world.until(lambda: world.watched() == cameras, SOON)
    return world


def settled(world: SimulatedCluster) -> Callable[[], bool]:
    def holds() -> bool:
        state = world.conductor.state(world.now)
        return world.watched() == len(world.cameras) and not state.moving and not state.unplaced

    return holds


def test_cameras_are_spread_over_all_nodes_at_first() -> None:
    world = placed()
    assert world.counts() == [4, 4, 4]
    assert world.now < HEARD + OPEN + 3
    assert world.conductor.state(world.now).problems == ()


def test_a_cluster_that_watches_nothing_waits_for_models_that_are_loaded_but_not_for_ever() -> None:
    world = cluster()
    for node in list(world.nodes.values())[1:]:
        node.ready = False
    world.run(SETTLE - 5)
    assert world.watched() == 0
    world.until(lambda: world.watched() == 12, 15 + OPEN)
    assert max(world.counts()) == 12


def test_a_node_that_comes_takes_cameras_over_and_none_is_unwatched_meanwhile() -> None:
    world = placed()
    world.add()
    while max(world.counts()) > 3 or not settled(world)():
        world.step()
        assert world.seen() == 12
        assert world.now < SOON
    assert world.counts() == [3, 3, 3, 3]


def test_a_node_that_is_drained_hands_its_cameras_on_and_gets_none() -> None:
    world = placed()
    world.store.drained.add("node-001")
    while world.nodes["node-001"].cameras:
        world.step()
        assert world.seen() == 12
        assert world.now < SOON
    world.run(30)
    assert sorted(world.counts()) == [0, 6, 6]
    world.store.drained.clear()
    world.until(lambda: min(world.counts()) == 4, SOON)


def test_the_cameras_of_a_node_that_died_are_watched_again_within_a_lease() -> None:
    world = placed()
    world.nodes["node-000"].alive = False
    world.step()
    assert world.watched() == 8
    assert world.until(lambda: world.watched() == 12, SOON) <= LEASE + OPEN + 2


def test_a_store_that_stands_still_for_longer_than_a_lease_costs_nobody_a_camera() -> None:
    world = placed()
    rows = dict(world.store.rows)
    for node in world.nodes.values():
        node.stores = False  # renewals hang, while the controller is answered
    world.run(3 * LEASE)
    for node in world.nodes.values():
        node.stores = True
    world.run(2 * LEASE)
    assert world.store.rows == rows and world.watched() == 12
    for name in ("node-000", "node-001"):
        world.nodes[name].alive = False
    assert world.until(lambda: world.watched() == 12, SOON) <= LEASE + OPEN + 2


def test_a_process_that_began_anew_is_not_taken_for_the_old_one() -> None:
    world = placed()
    node = world.nodes["node-000"]
    fences = {camera: world.store.rows[camera].fence for camera in node.cameras}
    node.start, node.orders = 2, 0
    node.cameras.clear()
    world.until(lambda: world.watched() == 12, LEASE)
    assert all(world.store.rows[camera].fence > fence for camera, fence in fences.items())


def test_a_controller_that_begins_anew_changes_nothing() -> None:
    world = placed()
    rows = dict(world.store.rows)
    world.restart()
    for _ in range(200):
        world.step()
        assert world.seen() == 12
    assert world.store.rows == rows


def test_nodes_go_on_while_there_is_no_controller() -> None:
    world = placed()
    world.controls = False
    world.run(300)
    assert world.watched() == 12
    world.restart()
    world.controls = True
    world.run(30)
    assert world.watched() == 12


def test_a_node_and_the_controller_that_die_at_once_leave_nothing_unwatched() -> None:
    world = placed()
    world.nodes["node-002"].alive = False
    world.restart()
    assert world.until(lambda: world.watched() == 12, SOON) <= LEASE + HEARD + OPEN + 2


def test_a_node_that_is_cut_off_from_the_controller_alone_keeps_its_cameras() -> None:
    world = placed()
    rows = dict(world.store.rows)
    world.nodes["node-000"].hears = False
    world.run(120)
    assert world.store.rows == rows and world.watched() == 12


def test_a_network_cut_in_two_leaves_every_camera_with_one_owner() -> None:
    world = placed()
    node = world.nodes["node-000"]
    node.hears = node.stores = False
    world.until(lambda: world.watched() == 12 and not owns_any(world, "node-000"), SOON)
    # It has stopped to read by itself, so that a camera of few viewers lets others in.
    assert not node.cameras
    node.hears = node.stores = True
    world.until(lambda: settled(world)() and min(world.counts()) >= 3, SOON)


def test_a_store_that_is_away_costs_nobody_a_camera() -> None:
    world = placed()
    rows = dict(world.store.rows)
    world.store_away = True
    world.run(5 * LEASE)
    assert world.watched() == 12
    world.store_away = False
    world.run(5 * LEASE)
    assert world.store.rows == rows and world.watched() == 12


def test_a_node_that_died_while_the_store_was_away_is_found_out() -> None:
    world = placed()
    world.store_away = True
    world.run(2 * LEASE)
    world.nodes["node-001"].alive = False
    world.store_away = False
    assert world.until(lambda: world.watched() == 12, SOON) <= 2 * LEASE + OPEN + 2


def test_a_move_whose_target_dies_leaves_the_camera_where_it_is() -> None:
    world = placed()
    target = world.add()
    world.until(lambda: bool(target.cameras), SOON)
    target.alive = False
    for _ in range(200):
        world.step()
        assert world.seen() == 12


def test_a_move_whose_source_dies_goes_to_the_node_that_is_primed() -> None:
    world = placed()
    target = world.add()
    world.until(lambda: bool(target.cameras), SOON)
    camera = next(iter(target.cameras))
    source = world.store.rows[camera].owner.partition("#")[0]
    world.nodes[source].alive = False
    world.until(lambda: world.watched() == 12, SOON)
    assert world.store.rows[camera].owner == target.owner


def test_a_camera_that_its_new_node_never_sees_stays_and_is_not_tried_again_at_once() -> None:
    world = placed()
    world.window = 10_000.0  # nothing is primed
    node = world.add()
    world.until(lambda: len(node.cameras) == 3, SOON)
    tried = set(node.cameras)
    world.until(lambda: bool(node.cameras.keys() - tried), SOON)
    world.run(5)
    assert not node.cameras.keys() & tried
    assert world.watched() == 12 and world.counts()[3] == 0


def test_a_camera_that_is_wanted_no_more_is_ended_by_its_owner_and_then_nobodys() -> None:
    world = placed()
    gone = "camera-00003"
    wanted = {id: spec for id, spec in world.conductor._wanted.items() if id != gone}
    world.conductor.want(wanted, {})
    world.until(lambda: world.store.rows[gone].owner == "", SOON)
    assert not any(gone in node.cameras for node in world.nodes.values())
    fence = world.store.rows[gone].fence
    world.conductor.want({**wanted, gone: next(iter(wanted.values()))}, {})
    world.until(lambda: world.store.rows[gone].owner != "", SOON)
    assert world.store.rows[gone].fence > fence


def test_more_cameras_than_nodes_carry_are_watched_and_told_of() -> None:
    world = placed(cameras=400, nodes=2)
    assert world.watched() == 400
    (problem,) = world.conductor.state(world.now).problems
    assert "2 nodes have more cameras than they carry" in problem


def test_without_nodes_it_says_so() -> None:
    world = cluster(nodes=0)
    world.run(10)
    (problem,) = world.conductor.state(world.now).problems
    assert "12 of 12 cameras are watched by no node" in problem


def test_a_row_that_somebody_else_changed_is_believed() -> None:
    world = placed()
    camera, row = next(iter(world.store.rows.items()))
    world.store.rows[camera] = Row(camera, "", row.fence + 5)
    world.until(lambda: world.store.rows[camera].owner != "", SOON)
    assert world.store.rows[camera].fence == row.fence + 6
    world.until(lambda: world.watched() == 12, SOON)


FAILURES = ("kill", "revive", "deaf", "hear", "cut", "mend", "add", "drain", "undrain", "restart")


@pytest.mark.timeout(300)
@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(FAILURES), st.integers(0, 4), st.floats(0.5, 12))))
def test_whatever_fails_every_camera_ends_with_one_owner_that_watches_it(happens) -> None:
    world = placed()
    for what, which, wait in happens:
        fail(world, what, which)
        fences = {camera: row.fence for camera, row in world.store.rows.items()}
        world.run(wait)
        assert all(world.store.rows[camera].fence >= fence for camera, fence in fences.items())
    for node in world.nodes.values():
        node.hears = node.stores = True
    if not any(node.alive for node in world.nodes.values()):
        world.add()
    world.store.drained.clear()
    world.until(settled(world), 400.0)
    world.run(3.0)
    # Nobody watches what is somebody else's, but to take it over.
    for node in world.nodes.values():
        for camera, watched in node.cameras.items() if node.alive else ():
            order = watched.order
            assert order.role == "prime" or world.store.owns(camera, node.owner, order.fence)


def fail(world: SimulatedCluster, what: str, which: int) -> None:
    nodes = list(world.nodes.values())
    node = nodes[which % len(nodes)]
    if what == "kill":
        node.alive = False
    elif what == "revive" and not node.alive:
        node.alive, node.start, node.orders = True, node.start + 1, 0
        node.cameras.clear()
    elif what in ("deaf", "hear"):
        node.hears = what == "hear"
    elif what in ("cut", "mend"):
        node.hears = node.stores = what == "mend"
    elif what == "add" and len(nodes) < 6:
        world.add()
    elif what == "drain":
        world.store.drained.add(node.name)
    elif what == "undrain":
        world.store.drained.discard(node.name)
    elif what == "restart":
        world.restart()


def owns_any(world: SimulatedCluster, node: str) -> bool:
    return any(row.owner.startswith(f"{node}#") for row in world.store.rows.values())
