import numpy as np
import pytest

from costream.errors import SettingsError
from costream.lab.synth import SyntheticCamera

SIZE = {"width": 320, "height": 180}


@pytest.fixture(scope="module")
def camera() -> SyntheticCamera:
    return SyntheticCamera(seed=2, **SIZE)


@pytest.fixture(scope="module")
def calm() -> SyntheticCamera:
    """The same hall and visitors without noise and light drift."""
    return SyntheticCamera(seed=2, noise=0, drift=0, **SIZE)


def test_frames_have_the_asked_size(camera):
    frame = camera.frame(0)
    assert frame.shape == (180, 320, 3)
    assert frame.dtype == np.uint8


def test_the_seed_decides_everything(camera):
    same, other = SyntheticCamera(seed=2, **SIZE), SyntheticCamera(seed=3, **SIZE)
    indices = (700, 40, 700)
    for index in indices:
        np.testing.assert_array_equal(camera.frame(index), same.frame(index))
        assert camera.truth(index) == same.truth(index)
    assert (camera.frame(40) != other.frame(40)).mean() > 0.5


def test_the_hall_is_empty_at_first_and_visited_later(camera):
    assert camera.truth(0).boxes == ()
    assert any(camera.truth(index).boxes for index in range(0, 1000, 25))


def test_boxes_lie_within_the_picture(camera):
    for index in range(0, 4000, 20):
        for box in camera.truth(index).boxes:
            assert 0 <= box.left < box.right <= camera.width
            assert 0 <= box.top < box.bottom <= camera.height


def test_boxes_hold_the_pixels_that_a_person_changes(calm):
    empty = calm.frame(0).astype(int)
    checked = 0
    for index in range(100, 2500, 60):
        boxes = calm.truth(index).boxes
        changed = np.abs(calm.frame(index).astype(int) - empty).max(axis=2) > 40
        beyond = changed.copy()
        for box in boxes:
            assert changed[box.top : box.bottom, box.left : box.right].mean() > 0.15
            beyond[max(0, box.top - 1) : box.bottom + 3, max(0, box.left - 4) : box.right + 4] = 0
            checked += 1
        assert beyond.mean() < 0.002  # soft shadows only
    assert checked > 20


def test_noise_and_light_change_the_empty_hall_a_little(camera):
    difference = np.abs(camera.frame(0).astype(int) - camera.frame(1))
    assert 0.5 < difference.mean() < 4


def test_a_fall_is_an_event_and_the_person_stays_down(camera):
    event = camera.events(0, 600)[0]
    assert event.kind == "fall"
    assert event.end - event.start > 15

    def labels(time: float) -> set[str]:
        truth = camera.truth(round(time * camera.fps))
        return {box.action for box in truth.boxes if box.actor == event.actor}

    assert labels(event.start - 0.5) <= {"stand", "walk"}
    assert labels(event.start + 2) == labels((event.start + event.end) / 2) == {"lie"}
    assert labels(event.end + 0.5) <= {"stand", "walk"}


def test_events_are_found_by_the_seconds_that_they_touch(camera):
    event = camera.events(0, 600)[0]
    middle = (event.start + event.end) / 2
    assert event in camera.events(middle, middle)
    assert event in camera.truth(round(middle * camera.fps)).events
    assert event not in camera.events(0, event.start - 0.1)
    assert event not in camera.events(event.end, event.end + 60)


def test_everyone_leaves_and_nobody_stays_for_longer_than_the_bound(camera):
    last: dict[int, list[float]] = {}
    for index in range(0, 10_000, 50):
        for box in camera.truth(index).boxes:
            last.setdefault(box.actor, []).append(index / camera.fps)
    assert len(last) > 20
    assert all(times[-1] - times[0] < 70 for times in last.values())


def test_nobody_falls_where_nobody_shall():
    assert SyntheticCamera(seed=2, falls=0, **SIZE).events(0, 2000) == []
    assert len(SyntheticCamera(seed=2, falls=1, **SIZE).events(0, 200)) > 10


@pytest.mark.parametrize("size", [(640, 360), (320, 240), (180, 320)])
def test_any_shape_of_picture_can_be_rendered(size):
    camera = SyntheticCamera(seed=1, width=size[0], height=size[1])
    assert camera.frame(500).shape == (size[1], size[0], 3)


@pytest.mark.parametrize(
    "setting",
    [{"width": 641}, {"height": 16}, {"fps": 0}, {"falls": 1.2}, {"seed": -1}, {"drift": 1}],
)
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(SettingsError):
        SyntheticCamera(**setting)
