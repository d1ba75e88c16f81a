"""Which node watches which camera."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from costream.serve.cluster.need import SHARE, Capacity, Need
from costream.serve.cluster.placement import load_of, place

GIB = 2.0**30

needs = st.dictionaries(
    st.integers(0, 80).map(lambda n: f"camera-{n}"),
    st.builds(
        Need,
        st.floats(0, 2 * GIB),
        st.floats(0, 0.1),
        st.floats(0, 1.0),
    ),
    max_size=60,
)
nodes = st.dictionaries(
    st.sampled_from([f"node-{n}" for n in range(8)]),
    st.builds(Capacity, st.floats(GIB, 80 * GIB), st.just(1.0), st.floats(1.0, 32.0)),
    min_size=1,
)
alike = {f"node-{n}": Capacity(24 * GIB, 1.0, 8.0) for n in range(4)}


@given(needs, nodes, st.data())
def test_every_camera_has_a_node_that_is_there_whatever_was_before(needs, nodes, data) -> None:
    before = data.draw(
        st.dictionaries(
            st.sampled_from([*needs, "gone"]), st.sampled_from([*nodes, "lost"]), max_size=60
        )
    )
    found = place(needs, before, nodes)
    assert found.keys() == needs.keys()
    assert set(found.values()) <= nodes.keys()
    assert place(dict(reversed(needs.items())), before, dict(reversed(nodes.items()))) == found


@given(needs, nodes)
def test_what_is_placed_stays(needs, nodes) -> None:
    found = place(needs, {}, nodes)
    assert place(needs, found, nodes) == found


@given(st.integers(0, 40))
def test_cameras_that_take_the_same_are_spread_evenly(count: int) -> None:
    found = place({f"camera-{n}": Need() for n in range(count)}, {}, alike)
    loads = list(load_of({c: Need() for c in found}, found, alike).values())
    assert max(loads) - min(loads) <= SHARE * 1.001


def test_a_node_that_comes_is_given_its_part_and_nothing_else_moves() -> None:
    cameras = {f"camera-{n:02}": Need(GIB, 0.02, 0.1) for n in range(12)}
    three = dict(list(alike.items())[:3])
    before = place(cameras, {}, three)
    after = place(cameras, before, alike)
    moved = [camera for camera in cameras if before[camera] != after[camera]]
    assert len(moved) == 3
    assert {after[camera] for camera in moved} == {"node-3"}


def test_cameras_of_a_node_that_is_gone_alone_move() -> None:
    cameras = {f"camera-{n:02}": Need(GIB, 0.02, 0.1) for n in range(12)}
    before = place(cameras, {}, alike)
    left = {name: capacity for name, capacity in alike.items() if name != "node-2"}
    after = place(cameras, before, left)
    moved = {camera for camera in cameras if before[camera] != after[camera]}
    assert moved == {camera for camera, node in before.items() if node == "node-2"}
    assert sorted(list(after.values()).count(node) for node in left) == [4, 4, 4]


def test_a_camera_goes_where_what_it_takes_most_of_is_left() -> None:
    nodes = {"cpu": Capacity(64 * GIB, 1.0, 2.0), "gpu": Capacity(8 * GIB, 1.0, 32.0)}
    decoding = {f"camera-{n}": Need(0.1 * GIB, 0.001, 0.5) for n in range(8)}
    found = place(decoding, {}, nodes)
    assert list(found.values()).count("gpu") >= 6


def test_what_is_measured_may_vary_without_a_move() -> None:
    cameras = {f"camera-{n:02}": Need(0, 0.10, 0) for n in range(12)}
    before = place(cameras, {}, alike)
    noisy = {c: Need(0, 0.10 + 0.015 * (n % 2), 0) for n, c in enumerate(cameras)}
    assert place(noisy, before, alike) == before


def test_a_camera_is_not_moved_where_it_could_not_be_seen() -> None:
    cameras = {f"camera-{n}": Need() for n in range(4)}
    two = dict(list(alike.items())[:2])
    before = dict.fromkeys(cameras, "node-0")
    barred = {(camera, "node-1") for camera in cameras}
    assert place(cameras, before, two, barred) == before


def test_too_many_cameras_are_placed_all_the_same_and_the_load_says_so() -> None:
    cameras = {f"camera-{n}": Need(0, 0.3, 0) for n in range(20)}
    found = place(cameras, {}, alike)
    assert min(load_of(cameras, found, alike).values()) > 1


def test_without_a_node_nothing_is_placed() -> None:
    assert place({"camera": Need()}, {"camera": "gone"}, {}) == {}
