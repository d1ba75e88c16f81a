import numpy as np
import pytest

from costream.pruning.light_watch import REST, LightWatch
from costream.pruning.lighting import fit_lighting
from costream.pruning.noise import MOST, NoiseFloor

DRAW = np.random.default_rng(3)
SCENE = DRAW.uniform(40, 180, (14, 14, 16)).astype(np.float32)


def lit(gain: float, offset: float = 0.0, moved: float = 0.0) -> np.ndarray:
    """The scene in another light, with a share of its groups replaced."""
    picture = SCENE * np.float32(gain) + np.float32(offset)
    count = round(moved * 14 * 14)
    picture.reshape(-1, 16)[:count] = 255 - picture.reshape(-1, 16)[:count]
    return picture


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (0.8, 0.0), (1.1, -20.0), (1.0, 15.0)])
@pytest.mark.parametrize("moved", [0.0, 0.2])
def test_the_light_is_found_whatever_else_moved(gain, offset, moved):
    light = fit_lighting(SCENE, lit(gain, offset, moved))
    assert light is not None
    assert light.gain == pytest.approx(gain, abs=0.02)
    assert light.offset == pytest.approx(offset, abs=2)


@pytest.mark.parametrize(
    "now",
    [DRAW.uniform(0, 255, SCENE.shape).astype(np.float32), SCENE + 70, np.zeros_like(SCENE)],
    ids=["another picture", "too large a step", "black"],
)
def test_another_picture_is_no_light(now):
    assert fit_lighting(SCENE, now) is None


def test_a_picture_too_small_to_tell_has_no_light():
    assert fit_lighting(SCENE[:1, :3], SCENE[:1, :3] + 5) is None


def test_a_switch_asks_for_one_whole_frame():
    watch = LightWatch()
    assert not watch.view(SCENE, SCENE, MOST).whole
    assert watch.view(SCENE, lit(0.8), MOST).whole
    assert not any(watch.view(lit(0.8), lit(0.8), MOST).whole for _ in range(30))


def test_a_ramp_is_followed_after_its_one_whole_frame():
    watch, reference, wholes = LightWatch(), SCENE, 0
    for gain in np.linspace(1, 0.6, 12):
        now = lit(float(gain))
        view = watch.view(reference, now, MOST)
        wholes += view.whole
        reference = now if view.whole else view.reference
        if wholes:
            np.testing.assert_allclose(reference, now, atol=2)
    assert wholes == 1


def test_after_rest_the_next_change_is_a_new_one():
    watch, wholes = LightWatch(), []
    lights = [1.0, 0.8, *[0.8] * (REST + 1), 1.0, 1.0]
    reference = SCENE
    for gain in lights:
        now = lit(gain)
        wholes.append(watch.view(reference, now, MOST).whole)
        reference = now
    assert [index for index, whole in enumerate(wholes) if whole] == [1, len(lights) - 2]


def test_light_that_changes_with_the_scene_is_compared_plainly():
    watch = LightWatch()
    watch.view(SCENE, SCENE, MOST)
    for gain in (0.9, 0.85, 0.8):
        view = watch.view(SCENE, lit(gain, moved=0.3), MOST)
        assert not view.whole
        assert view.reference is SCENE


def test_the_threshold_is_seven_and_falls_without_flicker():
    floor = NoiseFloor()
    assert floor.threshold == 7
    for index in range(40):
        floor.add(SCENE + np.float32(index % 2))
    assert floor.threshold == 7
    for _ in range(40):
        floor.add(SCENE)
    assert floor.threshold == pytest.approx(5, abs=0.01)


def thresholds(frames, shown):
    """Returns the threshold by frame; where a frame is not shown, the one before stands for it."""
    floor, found, standing = NoiseFloor(), [], frames[0][0]
    for (luma, key), seen in zip(frames, shown, strict=True):
        standing = luma if seen else standing
        floor.add(standing, key=key, shown=seen)
        found.append(floor.threshold)
    return found


@pytest.mark.parametrize(("between", "at_keys"), [(0.0, 0.0), (0.0, 0.9), (0.4, 0.9)])
def test_the_threshold_hardly_depends_on_which_frames_are_decoded(between, at_keys):
    frames, luma = [], SCENE
    for index in range(80):
        key = index % 8 == 0
        luma = luma + np.float32((at_keys if key else between) * (-1) ** index)
        frames.append((luma, key))
    all_of_them = thresholds(frames, [True] * 80)
    some = thresholds(frames, [index < 16 or index // 10 % 2 == 0 for index in range(80)])
    assert np.abs(np.subtract(all_of_them, some)).max() < 0.05


def test_what_flickers_at_a_first_key_frame_after_others_that_are_not_decoded_is_measured():
    floor = NoiseFloor()
    for _ in range(30):
        floor.add(SCENE)
    floor.add(SCENE, shown=False)
    before = floor.threshold
    floor.add(SCENE + np.float32(1), key=True)
    assert floor.threshold > before + 0.3
