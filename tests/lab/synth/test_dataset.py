from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import av
import pytest

from costream.errors import SettingsError
from costream.lab.synth import EVENT_KINDS, EVENTS, dataset
from costream.lab.synth.dataset import Recipe, annotation, draw_recipes, write_dataset, write_video

SIZE = (112, 64)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Recipe]]:
    """The first four test videos, small."""
    root = tmp_path_factory.mktemp("world")
    return root, write_dataset(root, split="test", videos=4, seed=3, size=SIZE)


def test_videos_lie_in_their_category_s_folder(written: tuple[Path, list[Recipe]]) -> None:
    root, recipes = written
    listed = (root / "Anomaly_Test.txt").read_text().splitlines()
    assert listed == [recipe.name for recipe in recipes]
    assert [name.split("/")[0] for name in listed] == ["Fighting", "Fall", "Panic", "Normal"]
    assert all((root / name).is_file() for name in listed)


def test_the_codec_is_the_one_in_the_name(written: tuple[Path, list[Recipe]]) -> None:
    root, recipes = written
    for recipe in recipes:
        with av.open(str(root / recipe.name)) as container:
            stream = container.streams.video[0]
            name = {"h264": "x264", "hevc": "x265"}[stream.codec_context.name]
            assert recipe.name.endswith(f"_{name}.mp4")
            assert stream.average_rate == 25
            assert stream.frames == round(recipe.seconds * 25)


def test_annotations_are_those_of_ucf_crime(written: tuple[Path, list[Recipe]]) -> None:
    root, recipes = written
    lines = (root / dataset.ANNOTATIONS).read_text().split("\n")
    assert lines.pop() == ""
    for line, recipe in zip(lines, recipes, strict=True):
        name, category, *frames, end = line.split("  ")
        assert end == "" and len(frames) == 4
        assert (name, category) == (Path(recipe.name).name, recipe.category)
        events = recipe.camera().events
        expected = [f"{round(t * 25)}" for one in events for t in (one.start, one.end)]
        assert frames == expected + ["-1"] * (4 - len(expected))


def test_notes_hold_the_truth(written: tuple[Path, list[Recipe]]) -> None:
    root, recipes = written
    for recipe in recipes:
        notes = json.loads((root / recipe.name).with_suffix(".json").read_text())
        camera = recipe.camera()
        assert notes["seed"] == recipe.seed
        assert tuple(notes["size"]) == SIZE
        assert notes["settings"]["gop"] == recipe.settings.gop
        assert [one["kind"] for one in notes["events"]] == [one.kind for one in camera.events]
        assert set(notes["boxes"]) == {str(i) for i in range(0, camera.frames, 12)}
        boxes = [(box.label, box.left, box.top) for box in camera.truth(120).boxes]
        assert [(b["label"], b["left"], b["top"]) for b in notes["boxes"]["120"]] == boxes


def test_a_video_is_written_alike_each_time(
    written: tuple[Path, list[Recipe]], tmp_path: Path
) -> None:
    root, recipes = written
    (tmp_path / recipes[1].category).mkdir()
    row = write_video(recipes[1], tmp_path)
    assert row == annotation(recipes[1], recipes[1].camera())
    again = (tmp_path / recipes[1].name).read_bytes()
    assert again == (root / recipes[1].name).read_bytes()


def test_any_number_of_videos_is_balanced_and_begins_alike() -> None:
    many = draw_recipes("train", 48, 5)
    assert draw_recipes("train", 7, 5) == many[:7]
    for videos in (12, 24, 36, 48):
        counts = Counter(recipe.event for recipe in many[:videos])
        assert counts[None] == videos // 4
        assert all(counts[kind] == videos // 12 for kind in EVENT_KINDS)
    for kind in EVENT_KINDS:
        assert len({recipe.scene for recipe in many if recipe.event == kind}) >= 2


def test_normal_videos_resemble_every_kind() -> None:
    normal = [recipe for recipe in draw_recipes("train", 12, 0) if recipe.event is None]
    assert {kind for recipe in normal for kind in recipe.pretend or ()} == set(EVENT_KINDS)


def test_splits_share_no_seed_and_no_name() -> None:
    splits = {split: draw_recipes(split, 60, 1) for split in dataset.SPLITS}
    for number, recipes in enumerate(splits.values()):
        assert {recipe.seed % 3 for recipe in recipes} == {number}
    names = [recipe.name for recipes in splits.values() for recipe in recipes]
    assert len(set(names)) == len(names) == 180


def test_encoding_varies() -> None:
    settings = [recipe.settings for recipe in draw_recipes("test", 60, 2)]
    assert {one.codec for one in settings} == {"libx264", "libx265"}
    assert {one.gop for one in settings} == {25, 50, 100, 250}
    assert {one.bframes > 0 for one in settings} == {True, False}
    assert all(20 <= one.crf <= 33 for one in settings)


def test_categories_are_the_events_titles() -> None:
    for recipe in draw_recipes("test", 12, 2, size=SIZE):
        assert recipe.category == (EVENTS[recipe.event].category if recipe.event else "Normal")
        assert {event.kind for event in recipe.camera().events} == ({recipe.event} - {None})


@pytest.mark.parametrize(
    ("split", "videos", "seed", "message"),
    [
        ("tset", 4, 1, "unknown split 'tset'"),
        ("test", 0, 1, "at least one video"),
        ("test", 1, -1, "at least one video, and a seed"),
    ],
)
def test_bad_wishes_are_refused(split: str, videos: int, seed: int, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        draw_recipes(split, videos, seed)  # type: ignore[arg-type]
