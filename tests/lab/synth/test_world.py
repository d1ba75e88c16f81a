from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest

from costream.errors import SettingsError
from costream.lab.synth import EVENT_KINDS, EVENTS, SCENE_KINDS, EventKind, Truth, WorldCamera
from costream.lab.synth.ground import CAMERA_HEIGHT, Ground
from costream.lab.synth.site import LANES, scenes_for
from costream.lab.synth.story import LASTING

AWAY = 2.0
"""Metres from which a bag's owner has left it."""

MARGIN = 1.5
"""Seconds around an event's start and end in which the signs of it may come or go."""


@lru_cache
def camera_of(event: EventKind | None, number: int) -> WorldCamera:
    return WorldCamera(4000 + number, event=event)


def floor(camera: WorldCamera, foot: tuple[float, float]) -> tuple[float, float]:
    """Where on the floor a point of the picture is, in metres."""
    ground = Ground(camera.width, camera.height)
    z = CAMERA_HEIGHT * ground.focal / (foot[1] - ground.horizon)
    return (foot[0] - ground.width / 2) * z / ground.focal, z


def signs(camera: WorldCamera, truth: Truth, owners: dict[int, int]) -> set[EventKind]:
    """The kinds of event that a frame's boxes give away, loitering apart.

    ``owners`` holds who last carried each thing, and is kept up to date.
    """
    people = [box for box in truth.boxes if box.label == "person"]
    found: set[EventKind] = set()
    actions = [box.action for box in people]
    if actions.count("fight") == 2:
        found.add("fighting")
    if "lie" in actions:
        found.add("fall")
    if actions.count("flee") >= 2:
        found.add("panic")
    zone = camera.site.zone
    if zone and any(zone.holds(floor(camera, box.foot)) for box in people):
        found.add("intrusion")
    for box in truth.boxes:
        x, z = floor(camera, box.foot)
        carrying = [one.actor for one in people if box.foot == one.foot]
        if carrying:
            owners[box.actor] = carrying[0]
        near = [one.actor for one in people if abs(floor(camera, one.foot)[0] - x) < AWAY]
        if box.label in ("fire", "smoke"):
            found.add("fire")
        if box.label == "object" and carrying:
            found.add("stealing")
        if box.label == "bag" and not carrying and owners[box.actor] not in near:
            found.add("abandoned")
        if box.label == "vehicle" and (box.velocity[0] > 0) != (abs(z - LANES[0]) < 0.5):
            found.add("wrong_way")
    return found


def turns(camera: WorldCamera, start: float, end: float) -> int:
    """How often anyone who walks turns round within some seconds, at most."""
    headings: dict[int, list[bool]] = {}
    for index in range(round(start * camera.fps), round(end * camera.fps), 10):
        for box in camera.truth(index).boxes:
            if box.action in ("walk", "carry") and abs(box.velocity[0]) > 10:
                headings.setdefault(box.actor, []).append(box.velocity[0] > 0)
    return max(
        (sum(a != b for a, b in pairwise(way)) for way in headings.values()),
        default=0,
    )


def settled(camera: WorldCamera, time: float) -> bool:
    return all(
        abs(time - edge) > MARGIN for event in camera.events for edge in (event.start, event.end)
    )


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("kind", EVENT_KINDS)
def test_an_event_shows_in_the_truth_while_it_lasts_and_at_no_other_time(
    kind: EventKind, number: int
) -> None:
    camera = camera_of(kind, number)
    assert {event.kind for event in camera.events} == {kind}
    (event,) = camera.events
    assert 6 <= event.start < event.end <= camera.seconds
    assert event.end - event.start >= 4
    seen, owners = 0, dict[int, int]()
    for index in range(0, camera.frames, 10):
        truth = camera.truth(index)
        assert {event.kind for event in truth.events} == (
            {kind} if event.start <= truth.time < event.end else set()
        )
        found = signs(camera, truth, owners)
        if not settled(camera, truth.time):
            continue
        assert found <= {event.kind for event in truth.events}
        seen += bool(found)
    if kind == "loitering":
        assert turns(camera, event.start - 5, event.end) >= 3
    else:
        assert seen * 0.4 > 0.5 * (event.end - event.start) - 2 * MARGIN


@pytest.mark.parametrize("kind", EVENT_KINDS)
def test_what_only_resembles_an_event_is_none(kind: EventKind) -> None:
    for number in range(3):
        camera = WorldCamera(4100 + number, pretend=(kind, kind), seconds=36)
        assert camera.events == ()
        owners: dict[int, int] = {}
        for index in range(0, camera.frames, 12):
            assert signs(camera, camera.truth(index), owners) == set()
        assert turns(camera, 0, camera.seconds) <= 1


def test_several_events_come_one_after_the_other() -> None:
    kinds: tuple[EventKind, ...] = ("stealing", "fall", "stealing", "fire", "abandoned")
    camera = WorldCamera(3, event=kinds, seconds=200)
    assert tuple(event.kind for event in camera.events) == kinds
    for before, after in pairwise(camera.events):
        assert before.end < after.start


@pytest.mark.parametrize("kind", LASTING)
def test_an_event_lasts_as_long_as_is_wanted(kind: EventKind) -> None:
    for seed in range(5):
        camera = WorldCamera(3 + seed, event=(kind, kind), lasting=60.0, seconds=200)
        for number, event in enumerate(camera.events):
            assert event.end - event.start == pytest.approx(60.0, abs=8.0)
            assert 100 * number < event.start and event.end < 100 * (number + 1)


def test_nobody_waits_for_the_panic_of_a_later_chapter() -> None:
    camera = WorldCamera(3, event=("panic",) * 6, seconds=300)
    seen = [len(camera.truth(round(second * camera.fps)).boxes) for second in range(0, 300, 10)]
    assert max(seen) < 15


def test_everything_follows_from_the_seed_in_any_order() -> None:
    one, other = (WorldCamera(11, event="panic", seconds=32) for _ in range(2))
    frames = {index: one.frame(index) for index in (0, 300, 799)}
    for index in (799, 0, 300):
        assert np.array_equal(other.frame(index), frames[index])
    assert one.truth(300) == other.truth(300)
    assert not np.array_equal(WorldCamera(12, event="panic").frame(0), frames[0])


@pytest.mark.parametrize("scene", SCENE_KINDS)
def test_every_place_is_painted_and_peopled(scene: str) -> None:
    camera = WorldCamera(21, scene=scene, width=320, height=180)  # type: ignore[arg-type]
    assert camera.scene == scene
    assert camera.frame(0).shape == (180, 320, 3)
    assert camera.frame(0).std() > 12
    people = [
        box
        for index in range(0, camera.frames, 50)
        for box in camera.truth(index).boxes
        if box.label == "person" and box.action == "walk" and box.left > 0 and box.right < 320
    ]
    assert people
    assert all(0.2 < (box.bottom - box.top) / 180 < 0.55 for box in people)


def test_changed_marks_the_people_and_nothing_else() -> None:
    camera = WorldCamera(32, scene="hall", event="fall", noise=9.0, shake=3.0)
    start = round(camera.events[0].start * camera.fps)
    changed = camera.changed(start, start + 50)
    boxes = [box for index in (start, start + 50) for box in camera.truth(index).boxes]
    covered = np.zeros_like(changed)
    for box in boxes:
        if box.label != "zone":
            # A shadow reaches a little beyond its box.
            covered[
                max(0, box.top - 4) : box.bottom + 12, max(0, box.left - 12) : box.right + 12
            ] = True
    assert camera.site.beacon is None, "choose another seed: a beacon's flash is a change too"
    assert changed.any()
    assert not (changed & ~covered).any()
    assert not camera.changed(start, start).any()


def test_noise_light_and_shake_are_left_out_of_clean_frames() -> None:
    camera = WorldCamera(31, noise=4.0, shake=3.0)
    assert camera.shake == 3.0
    frame, clean = camera.frame(200).astype(int), camera.clean(200).astype(int)
    assert abs(frame - clean).mean() > 1


def test_velocity_is_that_of_the_foot() -> None:
    camera = camera_of("wrong_way", 0)
    index = round((camera.events[0].start + 2) * camera.fps)
    later = {box.actor: box for box in camera.truth(index + 1).boxes}
    moving = [box for box in camera.truth(index).boxes if box.action == "drive"]
    assert moving
    for box in moving:
        step = later[box.actor].foot[0] - box.foot[0]
        assert box.velocity[0] == pytest.approx(step * camera.fps, rel=1e-3)


def test_the_dark_corridor_is_darker_greyer_and_noisier() -> None:
    night, day = (
        WorldCamera(40, scene=scene, shake=0)
        for scene in ("corridor", "hall")  # type: ignore[arg-type]
    )
    dark, light = night.clean(0).astype(float), day.clean(0).astype(float)
    assert dark.mean() < light.mean()
    assert np.ptp(dark, axis=-1).mean() < 15
    assert night.noise > day.noise


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "must not be negative"),
        ({"seed": 1, "width": 321}, "even sides"),
        ({"seed": 1, "event": "fall", "seconds": 20}, "30 seconds"),
        ({"seed": 1, "event": "flood"}, "unknown event 'flood'"),
        ({"seed": 1, "event": "wrong_way", "scene": "hall"}, "use one of street, car_park"),
        ({"seed": 1, "event": "panic", "lasting": 60, "seconds": 90}, "only fighting, fall"),
        ({"seed": 1, "event": "fall", "lasting": 60, "seconds": 70}, "takes a video of 80 s"),
        ({"seed": 1, "scene": "moon"}, "use one of street"),
        ({"seed": 1, "event": ("wrong_way", "stealing"), "seconds": 80}, "no place suits"),
    ],
)
def test_bad_settings_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        WorldCamera(**options)  # type: ignore[arg-type]


def test_every_kind_has_words() -> None:
    assert set(EVENTS) == set(EVENT_KINDS)
    for kind, alarm in EVENTS.items():
        assert len(set(alarm.questions)) >= 6
        assert all(question.endswith("?") for question in alarm.questions)
        assert alarm.yes.startswith("Yes.") and alarm.no.startswith("No.")
        assert scenes_for((kind,))
    assert len({alarm.category for alarm in EVENTS.values()}) == len(EVENTS)


def test_smoke_can_be_shown_before_its_first_puff() -> None:
    cameras = (WorldCamera(seed, event="fire", width=112, height=64) for seed in range(4000, 4020))
    smoking = next(camera for camera in cameras if _smokes(camera))
    first = int(smoking.events[0].start * smoking.fps)
    for index in range(first, first + 5):
        assert smoking.frame(index).shape == (64, 112, 3)
        assert all(box.label != "fire" for box in smoking.truth(index).boxes)


def _smokes(camera: WorldCamera) -> bool:
    index = round((camera.events[0].start + 3) * camera.fps)
    return any(box.label == "smoke" for box in camera.truth(index).boxes)


def test_nobody_passes_by_where_nobody_is_to() -> None:
    lonely, usual = (
        WorldCamera(3, scene="hall", event=None, pretend=(), passers=passers, seconds=30.0)
        for passers in (False, True)
    )
    times = [round(second * lonely.fps) for second in range(0, 30, 3)]
    assert not any(box.action for index in times for box in lonely.truth(index).boxes)
    assert not lonely.changed(0, times[-1]).any()
    assert any(usual.changed(0, index).any() for index in times)
