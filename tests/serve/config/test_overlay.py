"""What the API changes is checked as the file is, survives, and can be taken back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from costream.errors import SettingsError, TakenError, UnknownError
from costream.serve.config.model import (
    MOST_CAMERAS,
    MOST_QUESTIONS,
    CameraConfig,
    QuestionConfig,
    ServiceConfig,
)
from costream.serve.config.overlay import NOTHING, Overlay
from costream.serve.config.resolve import resolve
from costream.serve.config.watched import WatchedCamera
from tests.serve.config.files import config

FILE = """
questions:
  fire: {ask: Is there fire?}
  gate: {ask: Is it open?, zone: gate}
cameras:
  door: {url: rtsp://10.0.0.1, name: Door, zones: {gate: [[0, 0], [1, 0], [1, 1]]}}
  hall: {url: rtsp://10.0.0.2, questions: [fire], enabled: false}
"""


@pytest.fixture
def file(tmp_path: Path) -> ServiceConfig:
    return config(tmp_path, FILE)


def cameras(file: ServiceConfig, overlay: Overlay) -> dict[str, WatchedCamera]:
    """Returns the cameras by id, from what the store would have kept of the overlay."""
    return {camera.id: camera for camera in resolve(file, Overlay.read(overlay.write()))}


def camera(**fields: Any) -> CameraConfig:
    return CameraConfig.model_validate({"url": "rtsp://u:secret@10.0.0.3", **fields})


def question(**fields: Any) -> QuestionConfig:
    return QuestionConfig.model_validate({"ask": "Is there smoke?", **fields})


def test_a_camera_is_added_and_removed(file: ServiceConfig) -> None:
    added = NOTHING.with_camera(file, "yard", camera(questions={"fire": {"enabled": True}}))
    found = cameras(file, added)
    assert list(found) == ["door", "hall", "yard"]
    assert (found["yard"].source, found["door"].source) == ("api", "file")
    assert found["yard"].config.url == "rtsp://u:secret@10.0.0.3"
    assert list(cameras(file, added.without_camera(file, "yard"))) == ["door", "hall"]
    assert "secret" not in repr(added)


def test_fields_of_a_camera_are_changed_each_as_a_whole(file: ServiceConfig) -> None:
    changed = NOTHING.with_changes(file, "door", {"transport": "udp", "timeout": "1m"})
    changed = changed.with_changes(file, "door", {"name": None, "alerts": {"for": 5}})
    door = cameras(file, changed)["door"]
    assert (door.config.transport, door.config.timeout, door.name) == ("udp", 60, "door")
    assert door.questions[0].rule.hold == 5
    back = changed.with_changes(file, "door", {"transport": "tcp"}).without("door")
    assert resolve(file, back) == resolve(file)


def test_a_url_that_the_api_gave_is_known_as_such(file: ServiceConfig) -> None:
    changed = NOTHING.with_changes(file, "door", {"url": "rtsp://10.0.0.9"})
    changed = changed.with_changes(file, "hall", {"name": "Hall"})
    assert [c.source for c in resolve(file, changed)] == ["api", "file"]


def test_a_camera_of_the_api_is_changed_as_well(file: ServiceConfig) -> None:
    added = NOTHING.with_camera(file, "yard", camera())
    changed = added.with_changes(file, "yard", {"name": "Yard"})
    assert cameras(file, changed)["yard"].name == "Yard"


def test_a_camera_is_paused_and_goes_on(file: ServiceConfig) -> None:
    assert cameras(file, NOTHING)["hall"].paused
    changed = NOTHING.with_paused(file, "door", True).with_paused(file, "hall", False)
    found = cameras(file, changed)
    assert found["door"].paused and not found["hall"].paused
    back = changed.with_paused(file, "door", False).with_paused(file, "hall", True)
    assert back.paused == {}


def test_a_camera_of_the_file_is_removed_until_that_is_taken_back(file: ServiceConfig) -> None:
    removed = NOTHING.with_paused(file, "door", True).without_camera(file, "door")
    assert list(cameras(file, removed)) == ["hall"]
    assert cameras(file, removed.without("door"))["door"].paused is False
    replaced = removed.with_camera(file, "door", camera())
    assert cameras(file, replaced)["door"].source == "api"
    assert list(cameras(file, replaced.without_camera(file, "door"))) == ["hall"]


def test_questions_are_added_changed_and_removed(file: ServiceConfig) -> None:
    changed = NOTHING.with_question(file, "smoke", question())
    changed = changed.with_question(file, "fire", question(ask="Does it burn?"))
    found = cameras(file, changed)
    assert [(q.id, q.ask) for q in found["door"].questions] == [
        ("fire", "Does it burn?"),
        ("gate", "Is it open?"),
        ("smoke", "Is there smoke?"),
    ]
    assert [q.ask for q in found["hall"].questions] == ["Does it burn?"]
    fewer = changed.without_question(file, "fire").without_question(file, "smoke")
    found = cameras(file, fewer)
    assert [q.id for q in found["door"].questions] == ["gate"]
    assert found["hall"].questions == ()
    again = fewer.with_question(file, "fire", question())
    assert [q.ask for q in cameras(file, again)["hall"].questions] == ["Is there smoke?"]


def test_other_changes_go_on_after_a_question_that_a_camera_names_was_removed(
    file: ServiceConfig,
) -> None:
    changed = NOTHING.without_question(file, "fire").with_changes(file, "hall", {"name": "Hall"})
    assert cameras(file, changed)["hall"].name == "Hall"


def test_cameras_and_questions_are_bounded(file: ServiceConfig) -> None:
    many = {f"c{n}": camera() for n in range(MOST_CAMERAS - len(file.cameras))}
    full = NOTHING.model_copy(update={"added": many})
    with pytest.raises(SettingsError, match="there are 1000 cameras, and at most 1000 may be"):
        full.with_camera(file, "y", camera())
    fewer = full.without_camera(file, "c0").with_camera(file, "y", camera())
    assert len(cameras(file, fewer)) == MOST_CAMERAS
    asked = {f"q{n}": question() for n in range(MOST_QUESTIONS - len(file.questions))}
    full = NOTHING.model_copy(update={"questions": asked})
    with pytest.raises(SettingsError, match="there are 200 questions, and at most 200 may be"):
        full.with_question(file, "y", question())
    assert full.with_question(file, "q0", question(enabled=False)).questions["q0"].enabled is False


def test_a_name_that_is_taken_is_told_from_what_is_wrong(file: ServiceConfig) -> None:
    with pytest.raises(TakenError):
        NOTHING.with_camera(file, "door", camera())


REFUSED = [
    (lambda f: NOTHING.with_camera(f, "door", camera()), "there is a camera 'door' already"),
    (lambda f: NOTHING.with_camera(f, "My Yard", camera()), "'My Yard' is no name"),
    (lambda f: NOTHING.with_camera(f, "y", camera(url="ftp://x")), "cameras.y.url: 'ftp' is not"),
    (
        lambda f: NOTHING.with_camera(f, "y", camera(questions=["smoke"])),
        "cameras.y.questions[0]: there is no question 'smoke'",
    ),
    (
        lambda f: NOTHING.with_changes(f, "door", {"transport": "tpc"}),
        "cameras.door.transport: 'tpc' is not one of tcp",
    ),
    (lambda f: NOTHING.with_changes(f, "door", {"url": None}), "cameras.door.url: it is missing"),
    (lambda f: NOTHING.with_changes(f, "door", {"nmae": "x"}), "did you mean 'name'?"),
    (
        lambda f: NOTHING.with_changes(f, "door", {"zones": {"z": [[0, 0], [1, 1], [0, 0]]}}),
        "cameras.door.zones.z: its last point is its first again",
    ),
    (
        lambda f: NOTHING.with_changes(f, "door", {"zones": {}}),
        "questions.gate.zone: no camera has a zone 'gate'",
    ),
    (
        lambda f: NOTHING.with_question(f, "fire", question(zone="gate")),
        "cameras.hall.questions[0]: the camera 'hall' has no zone 'gate'",
    ),
    (
        lambda f: NOTHING.with_question(
            f, "q", question(alerts={"threshold": 0.2, "release": 0.3})
        ),
        "questions.q.alerts.release: the release 0.3 is above the threshold 0.2",
    ),
]


@pytest.mark.parametrize(("change", "message"), REFUSED, ids=range(len(REFUSED)))
def test_what_the_file_might_not_say_is_refused_in_a_sentence(
    file: ServiceConfig, change: Any, message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        change(file)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda f: NOTHING.with_changes(f, "x", {}),
        lambda f: NOTHING.with_paused(f, "x", True),
        lambda f: NOTHING.without_camera(f, "x"),
        lambda f: NOTHING.without_question(f, "x"),
    ],
)
def test_what_there_is_not_can_t_be_changed(file: ServiceConfig, change: Any) -> None:
    with pytest.raises(UnknownError):
        change(file)


def test_a_camera_that_goes_from_the_file_takes_its_changes_with_it(
    file: ServiceConfig, tmp_path: Path
) -> None:
    overlay = NOTHING.with_changes(file, "door", {"name": "Gate"}).with_paused(file, "door", True)
    overlay = overlay.with_camera(file, "yard", camera())
    without = config(tmp_path, "cameras: {hall: {url: push}}")
    fitted, told = overlay.fitted(without)
    assert told == ("the camera 'door' is not in the file any more: its changes go, too",)
    assert set(cameras(without, fitted)) == {"hall", "yard"}
    assert cameras(file, fitted)["door"].name == "Door"
    assert fitted.fitted(without) == (fitted, ())


def test_changes_stay_whatever_the_file_says(file: ServiceConfig, tmp_path: Path) -> None:
    overlay = NOTHING.with_changes(file, "door", {"name": "Gate"})
    other = config(tmp_path, FILE.replace("name: Door", "name: Front, transport: udp"))
    fitted, told = overlay.fitted(other)
    door = cameras(other, fitted)["door"]
    assert (door.name, door.config.transport, told) == ("Gate", "udp", ())


def test_what_the_file_takes_from_under_a_change_is_told(
    file: ServiceConfig, tmp_path: Path
) -> None:
    overlay = NOTHING.with_question(file, "smoke", question(zone="gate"))
    overlay = overlay.with_changes(file, "door", {"questions": ["smoke"]})
    other = config(tmp_path, "cameras: {door: {url: push}}")
    fitted, told = overlay.fitted(other)
    assert told[0].startswith("cameras.door.questions[0]: the camera 'door' has no zone 'gate'")
    assert cameras(other, fitted)["door"].questions == ()


def test_what_an_other_version_stored_is_refused_in_a_sentence() -> None:
    with pytest.raises(SettingsError, match="another version"):
        Overlay.read('{"nonsense": 1}')
