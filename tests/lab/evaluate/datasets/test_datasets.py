from __future__ import annotations

from pathlib import Path

import pytest

from costream.errors import SettingsError
from costream.lab.evaluate.datasets import Event, load_dataset, synthetic, synthetic_test_split
from costream.lab.evaluate.datasets.ucf_crime import ANNOTATION
from costream.lab.synth import EVENTS

SHARED = Path(__file__).parents[5] / "shared" / "annotations"


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def ucf(folder: Path, rows: str, listed: str | None = None, split: str = "Test") -> Path:
    (folder / ANNOTATION).write_text(rows)
    if listed is not None:
        (folder / f"Anomaly_{split}.txt").write_text(listed)
    return folder


def annotations(name: str) -> Path:
    if not (SHARED / name).is_dir():
        pytest.skip(f"the annotation files of {name} are not on this machine")
    return SHARED / name


def test_ucf_crime_rows(tmp_path: Path) -> None:
    touch(tmp_path, "Fighting/Fighting1_x264.mp4", "deep/down/Arson2_x264.mp4")
    touch(tmp_path, "Testing_Normal_Videos_Anomaly/Normal3_x264.mp4")
    dataset = load_dataset(
        ucf(
            tmp_path,
            "Fighting1_x264.mp4  Fighting  10  20  40  50  \n"
            "Arson2_x264.mp4  Arson  5  9  -1  -1  \nNormal3_x264.mp4  Normal  -1  -1  -1  -1  \n",
            "Fighting/Fighting1_x264.mp4\nArson/Arson2_x264.mp4\n"
            "Testing_Normal_Videos_Anomaly/Normal3_x264.mp4\n",
        )
    )
    fight, arson, normal = dataset.videos
    assert (dataset.name, dataset.problems, len(dataset.questions)) == ("ucf-crime", (), 13)
    assert fight.categories == {"Fighting"}
    assert fight.events == (Event("Fighting", 10, 20), Event("Fighting", 40, 50))
    assert fight.events[0].seconds(10) == (1.0, 2.1)
    assert arson.path == tmp_path / "deep/down/Arson2_x264.mp4"
    assert (normal.categories, normal.events) == (frozenset(), ())
    assert dataset.questions["RoadAccidents"] == (
        "Describe the frames and determine if they show a road accident."
    )


def test_problems_are_told_by_name_and_stop_nothing(tmp_path: Path) -> None:
    touch(tmp_path, "Arson/A1.mp4", "Juggling/J1.mp4", "Arson/A3.mp4")
    dataset = load_dataset(
        ucf(
            tmp_path,
            "A1.mp4 Arson 1 2 -1 -1\nJ1.mp4 Juggling 1 2 -1 -1\nA2.mp4 Arson 1 2 -1 -1\n"
            "A3.mp4 Arson 9 2 -1 -1\nshort line\nA4.mp4 Arson 1 two -1 -1\n\n",
            "Arson/A1.mp4\nJuggling/J1.mp4\nArson/A2.mp4\nArson/A3.mp4\n",
        )
    )
    assert [(video.name, video.events is None) for video in dataset.videos] == [
        ("A1.mp4", False),
        ("A3.mp4", True),
    ]
    assert dataset.problems == (
        f"{ANNOTATION} line 4 is left out: an event from frame 9 to 2",
        f"{ANNOTATION} line 5 is left out: 2 fields instead of 6",
        f"{ANNOTATION} line 6 is left out: 'two' is not a frame number",
        "unknown category Juggling: Juggling/J1.mp4 is left out",
        "missing video: Arson/A2.mp4",
    )


def test_the_synthetic_set_is_told_by_its_categories(tmp_path: Path) -> None:
    touch(tmp_path, "Fall/Fall1.mp4", "Fighting/F1.mp4", "Normal/N1.mp4")
    rows = "Fall1.mp4  Fall  1  9  -1  -1\nF1.mp4  Fighting  1  9  -1  -1\n"
    dataset = load_dataset(ucf(tmp_path, rows, "Fall/Fall1.mp4\nFighting/F1.mp4\nNormal/N1.mp4\n"))
    assert dataset.name == "synthetic"
    assert dataset.questions == {a.category: a.questions[0] for a in EVENTS.values()}


def test_a_split_without_times_counts_whole_videos(tmp_path: Path) -> None:
    touch(tmp_path, "Fall/Fall1.mp4", "Normal/N1.mp4")
    (tmp_path / "Anomaly_Validation.txt").write_text("Fall/Fall1.mp4\nNormal/N1.mp4\n")
    fall, normal = load_dataset(tmp_path, "validation").videos
    assert (fall.categories, fall.events) == ({"Fall"}, None)
    assert (normal.categories, normal.events) == (frozenset(), None)


def test_xd_violence_names_and_lines(tmp_path: Path) -> None:
    touch(tmp_path, "videos/a_label_B1-0-0.mp4", "videos/b_label_B2-G-0.mp4")
    touch(tmp_path, "videos/c_label_A.mp4", "videos/d_label_B9-0-0.mp4")
    (tmp_path / "annotations.txt").write_text(
        "a_label_B1-0-0 5 10 20 30\nb_label_B2-G-0.mp4 7 9\nd_label_B9-0-0 1 2\n"
        "e_label_B1-0-0 1 2\na_label_B1-0-0 1 2 3\nnameless 1 2\n"
    )
    dataset = load_dataset(tmp_path)
    one, two, normal = dataset.videos
    assert one.events == (Event("B1", 5, 10), Event("B1", 20, 30))
    assert two.categories == {"B2", "G"}
    assert two.events == (Event("B2", 7, 9), Event("G", 7, 9))
    assert (normal.name, normal.categories, normal.events) == ("c_label_A", frozenset(), ())
    assert dataset.problems == (
        "unknown category B9: d_label_B9-0-0 is left out",
        "missing video: e_label_B1-0-0",
        "annotations.txt line 5 is left out: 3 frame numbers, which are no pairs",
        "no category in its name: nameless is left out",
    )


def test_the_real_annotations_of_ucf_crime(tmp_path: Path) -> None:
    real = annotations("ucf-crime")
    for path in real.glob("*.txt"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    touch(tmp_path, *(real / "Anomaly_Test.txt").read_text().split())
    dataset = load_dataset(tmp_path)
    assert (dataset.name, dataset.problems, len(dataset.videos)) == ("ucf-crime", (), 290)
    assert sum(not video.categories for video in dataset.videos) == 150
    assert all(video.events is not None for video in dataset.videos)


def test_the_real_annotations_of_xd_violence(tmp_path: Path) -> None:
    lines = (annotations("xd-violence") / "annotations.txt").read_text()
    (tmp_path / "annotations.txt").write_text(lines)
    names = [line.split()[0].removesuffix(".mp4") for line in lines.splitlines()]
    touch(tmp_path, *(f"{name}.mp4" for name in names))
    dataset = load_dataset(tmp_path)
    assert (dataset.problems, len(dataset.videos)) == ((), 500)
    assert {c for video in dataset.videos for c in video.categories} == set(dataset.questions)


def test_a_few_videos_are_of_each_category_in_turn(tmp_path: Path) -> None:
    names = [f"{kind}/{kind}{n}.mp4" for kind in ("Arson", "Abuse", "Normal") for n in range(3)]
    touch(tmp_path, *names)
    dataset = load_dataset(ucf(tmp_path, "", "\n".join(names)))
    assert [video.name for video in dataset.take(4).videos] == [
        "Arson0.mp4",
        "Abuse0.mp4",
        "Normal0.mp4",
        "Arson1.mp4",
    ]
    assert len(dataset.take(99).videos) == 9


@pytest.mark.parametrize(
    ("files", "split", "message"),
    [
        ({}, "test", "is no annotated set"),
        ({ANNOTATION: "x\n"}, "test", "holds no video that can be used; 1 problems"),
        ({ANNOTATION: ""}, "train", "no list of that split"),
        ({ANNOTATION: ""}, "dev", "unknown split 'dev': choose one of"),
    ],
)
def test_what_can_t_be_evaluated_is_refused(
    tmp_path: Path, files: dict[str, str], split: str, message: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(SettingsError, match=message):
        load_dataset(tmp_path, split)


def test_of_two_who_make_the_same_set_one_is_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def another_is_faster(folder: Path, **options: object) -> None:
        (folder / "ours").touch()
        (tmp_path / "costream" / "synthetic-test-1-1").mkdir()
        (tmp_path / "costream" / "synthetic-test-1-1" / "theirs").touch()

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(synthetic, "write_dataset", another_is_faster)
    assert [path.name for path in synthetic_test_split(1).iterdir()] == ["theirs"]
    assert len(list((tmp_path / "costream").iterdir())) == 1
