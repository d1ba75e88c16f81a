"""Every default filled in, and what a change of it asks of the service."""

from __future__ import annotations

from pathlib import Path

import pytest

from costream.serve.config.difference import (
    ConfigDiff,
    changed,
    parts_changed,
    sinks_changed,
    told,
)
from costream.serve.config.resolve import resolve
from costream.serve.config.watched import AlertRule
from tests.serve.config.files import config

GATE = "{gate: [[0, 0], [1, 0], [1, 1]]}"

LEVELS = """
alerts: {threshold: 0.1, cooldown: 1, before: 1, after: 1, sentence: false}
questions:
  fire: {ask: Is there fire?, alerts: {threshold: 0.3, cooldown: 3}}
cameras:
  door:
    url: push
    alerts: {threshold: 0.2, cooldown: 2, before: 2}
    questions: {fire: {alerts: {threshold: 0.4}}}
"""


def test_of_each_setting_the_most_specific_counts(tmp_path: Path) -> None:
    (camera,) = resolve(config(tmp_path, LEVELS))
    rule = camera.questions[0].rule
    assert rule == AlertRule(threshold=0.4, cooldown=3, before=2, after=1, sentence=False)


def test_what_is_not_given_is_the_default(tmp_path: Path) -> None:
    found = config(tmp_path, "questions: {q: {ask: Is it?}}\ncameras: {a: {url: push}}")
    (camera,) = resolve(found)
    (question,) = camera.questions
    assert (camera.name, question.name, question.rule) == ("a", "Is it?", AlertRule())
    assert (question.zone, question.polygon, question.schedule) == (None, None, ())
    assert (camera.schedule, camera.masks, camera.paused) == ((), (), False)


def test_a_camera_asks_what_it_names_in_the_file_s_order_and_its_own_way(tmp_path: Path) -> None:
    found = config(
        tmp_path,
        f"""
        questions:
          fire: {{ask: Is there fire?, zone: gate, schedule: [{{from: 08:00}}]}}
          smoke: {{ask: Is there smoke?}}
          fall: {{ask: Has someone fallen?, enabled: false}}
        cameras:
          door:
            url: push
            zones: {GATE}
            questions:
              fall: {{enabled: true, ask: Did they fall?}}
              fire: {{zone: null, schedule: null}}
          hall: {{url: push, zones: {GATE}}}
        """,
    )
    door, hall = resolve(found)
    fire, fall = door.questions
    assert (fire.id, fire.ask, fire.zone, fire.polygon) == ("fire", "Is there fire?", None, None)
    assert (fire.schedule, fall.id, fall.ask) == ((), "fall", "Did they fall?")
    assert [question.id for question in hall.questions] == ["fire", "smoke"]
    assert hall.questions[0].polygon == [(0, 0), (1, 0), (1, 1)]


BASE = "questions: {q: {ask: Is it?}}\ncameras: {a: {url: push}, b: {url: rtsp://x}}\n"


@pytest.mark.parametrize(
    ("text", "diff"),
    [
        (BASE, ConfigDiff()),
        (BASE.replace("a: {url: push}, ", ""), ConfigDiff(removed=("a",))),
        (BASE.replace("{a:", "{c: {url: push}, a:"), ConfigDiff(added=("c",))),
        (BASE.replace("rtsp://x", "rtsp://y"), ConfigDiff(restarted=("b",))),
        (BASE.replace("rtsp://x", "rtsp://x, timeout: 3"), ConfigDiff(restarted=("b",))),
        (
            BASE.replace("//x", f"//x, masks: {GATE}"),
            ConfigDiff(restarted=("b",)),
        ),
        (BASE.replace("rtsp://x", "rtsp://x, name: B"), ConfigDiff(asked=("b",))),
        (BASE.replace("Is it?", "Is it so?"), ConfigDiff(asked=("a", "b"))),
        (BASE + "alerts: {cooldown: 5}", ConfigDiff(asked=("a", "b"))),
        (BASE + "alerts: {before: 3}", ConfigDiff(asked=("a", "b"))),
        (BASE + "alerts: {before: 30}", ConfigDiff(restarted=("a", "b"))),
        (BASE + "alerts: {before: 30, clip: false}", ConfigDiff(asked=("a", "b"))),
    ],
)
def test_a_camera_is_opened_again_only_where_it_is_read_otherwise(
    tmp_path: Path, text: str, diff: ConfigDiff
) -> None:
    assert changed(resolve(config(tmp_path, BASE)), resolve(config(tmp_path, text))) == diff


def test_parts_that_take_a_restart_are_named_and_sinks_are_told_apart(tmp_path: Path) -> None:
    before = config(tmp_path, BASE + "sinks: {m: {type: mqtt, host: x}}")
    after = config(
        tmp_path,
        BASE
        + "sinks: {m: {type: mqtt, host: y}, n: {type: mqtt, host: x}}\n"
        + "server: {port: 1}\nengine: {settings: {window: 20}}",
    )
    assert parts_changed(before, after) == ("engine", "server")
    assert sinks_changed(before, after) == ("m", "n")
    assert parts_changed(before, before) == sinks_changed(before, before) == ()


def test_what_a_change_came_to_is_told_in_sentences() -> None:
    diff = ConfigDiff(added=("a",), removed=("b", "c"))
    assert list(told(diff, ["m"], ["engine"])) == [
        "added: camera a",
        "removed: cameras b, c",
        "changed: sink m",
        "not applied until the service is restarted: engine",
    ]
