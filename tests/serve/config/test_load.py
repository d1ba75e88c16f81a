"""What is wrong with a file is told at its line, all at once."""

from __future__ import annotations

import logging
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costream.errors import ConfigError
from costream.serve.config.load import load_config, read_config
from costream.serve.config.resolve import resolve
from tests.serve.config.files import config, read, told

EXAMPLE = Path(__file__).parents[3] / "docs" / "cameras.example.yaml"

QUESTION = "questions: {fire: {ask: Is there fire?}}\n"
CAMERA = "cameras: {door: {url: push}}\n"
REAL = "model: Qwen/Qwen3-VL-2B-Instruct\n"

WRONG = [
    # by itself
    ("camera: {}", "1: camera: there is no such field: did you mean 'cameras'?"),
    ("cameras: {door: {url: push, transprot: udp}}", "did you mean 'transport'?"),
    ("cameras: {door: {}}", "1: cameras.door.url: it is missing"),
    ("cameras: [door]", "1: cameras: a mapping of names to values is needed, not ['door']"),
    ("cameras: {door: here}", "cameras.door: a mapping of fields to values is needed, not 'here'"),
    ("cameras: {Front Door: {url: push}}", "cameras.Front Door: 'Front Door' is no name: use"),
    ("cameras: {a: {url: push, transport: tpc}}", "'tpc' is not one of tcp, udp, http, udp_multi"),
    ("cameras: {a: {url: push, name: 12}}", "text is needed, not 12: write it in quotes"),
    ("cameras: {a: {url: push, enabled: maybe}}", "true or false is needed, not 'maybe'"),
    ("cameras: {a: {url: push, timeout: 5x}}", "'5x': write a duration as seconds, or such as"),
    ("cameras: {a: {url: push, timeout: 1:30}}", "'1:30': write a duration as seconds"),
    ("cameras: {a: {url: push, timeout: -1}}", "cameras.a.timeout: -1 is less than 0"),
    ("cameras: {a: {url: push, timeout: .inf}}", "write a duration as seconds"),
    ("cameras: {a: {url: push, questions: fire}}", "a list is needed, not 'fire'"),
    (
        "cameras: {a: {url: push, questions: {q: {aks: x}}}}",
        "questions.q.aks: there is no such field: did you mean 'ask'?",
    ),
    ("cameras: {a: {url: push, schedule: []}}", "cameras.a.schedule: at least 1 is needed"),
    ("cameras: {a: {url: push, schedule: [{to: 8:00}]}}", "'8:00' is no time of day: write HH:MM"),
    ("cameras: {a: {url: push, schedule: [{days: [tues]}]}}", "days[0]: 'tues' is not one of mon"),
    ("alerts: {threshold: 1.5}", "alerts.threshold: 1.5 is more than 1"),
    ("server: {port: 99999}", "server.port: 99999 is more than 65535"),
    ("server: {port: web}", "server.port: a whole number is needed, not 'web'"),
    ("store: {max_media: 20XB}", "'20XB': write an amount of data as bytes, or such as 500MB"),
    ("sinks: {a: {url: x}}", "sinks.a.type: it is missing: choose webhook, mqtt or command"),
    ("sinks: {a: {type: mqt}}", "sinks.a.type: 'mqt' is not one of webhook, mqtt, command"),
    ("sinks: {a: {type: mqtt, hots: x}}", "sinks.a.hots: there is no such field: did you mean"),
    ("sinks: {a: {type: mqtt, host: x, prefix: a/#}}", "'a/#' is no prefix of topics"),
    ("sinks: {a: {type: command, run: []}}", "sinks.a.run: at least 1 is needed"),
    ("questions: {q: {ask: ''}}", "questions.q.ask: it is empty"),
    ("questions: {q: {ask: ' '}}", "questions.q.ask: a question is empty: say what to look for"),
    (f"questions: {{q: {{ask: {'x' * 2001}}}}}", "it is too long: at most 2000 characters"),
    # polygons
    (
        "cameras: {a: {url: push, zones: {z: [[0, 0], [1, 1], [1, 0], [0, 1]]}}}",
        "cameras.a.zones.z: its sides 1 and 3 cross",
    ),
    ("cameras: {a: {url: push, masks: {m: [[0, 0], [.5, .5], [1, 1]]}}}", "encloses no area"),
    ("cameras: {a: {url: push, masks: {m: [[0, 0], [1, 2], [1, 0]]}}}", "m[1][1]: 2 is more than"),
    ("cameras: {a: {url: push, masks: {m: [[0, 0], [1], [1, 0]]}}}", "m[1][1]: a point is [x, y]"),
    ("cameras: {a: {url: push, masks: {m: [[0, 0], [1, 1]]}}}", "m: at least 3 are needed"),
    # sources
    ("cameras: {a: {url: ftp://x/y}}", "cameras.a.url: 'ftp' is not one of rtsp, rtsps, rtmp"),
    ("cameras: {a: {url: 'rtsp:/10.0.0.1'}}", "cameras.a.url: write rtsp://, with two slashes"),
    ("cameras: {a: {url: 'rtsp:///x'}}", "it names no host, or a port that is none"),
    ("cameras: {a: {url: '-'}}", "standard input can't be a camera of the service"),
    ("cameras: {a: {url: 'synthetic:'}}", "there is no synthetic camera ''"),
    ("cameras: {a: {url: 'synthetic:fal'}}", "there is no synthetic camera 'fal': choose one of"),
    ("cameras: {a: {url: 'synthetic:fall:x'}}", "the seed of a synthetic camera is a number"),
    ("cameras: {a: {url: push, loop: true}}", "only a file can begin again at its end"),
    ("cameras: {a: {url: edge, decode: all}}", "decode: an edge itself chooses what is decoded"),
    (
        "cameras: {a: {url: rtsp://x, credentials_file: none}}",
        "can't read the credentials file",
    ),
    # names of what there is not
    (QUESTION + "cameras: {a: {url: push, questions: [fier]}}", "2: cameras.a.questions[0]: there"),
    (QUESTION + "cameras: {a: {url: push, questions: {smoke: }}}", "there is no question 'smoke'"),
    (
        QUESTION + "cameras: {a: {url: push, questions: {fire: {zone: z}}}}",
        "2: cameras.a.questions.fire.zone: the camera 'a' has no zone 'z'",
    ),
    ("questions: {q: {ask: x, zone: z}}\n" + CAMERA, "questions.q.zone: no camera has a zone 'z'"),
    (
        "questions: {q: {ask: x, zone: z}}\n"
        "cameras:\n"
        "  a: {url: push, zones: {z: [[0, 0], [1, 0], [1, 1]]}}\n"
        "  b: {url: push, questions: [q]}",
        "4: cameras.b.questions[0]: the camera 'b' has no zone 'z'",
    ),
    (
        QUESTION + CAMERA + "sinks: {s: {type: mqtt, host: x, cameras: [dor]}}",
        "3: sinks.s.cameras[0]: there is no camera 'dor': did you mean 'door'?",
    ),
    (
        QUESTION + CAMERA + "sinks: {s: {type: mqtt, host: x, questions: [smoke]}}",
        "sinks.s.questions[0]: there is no question 'smoke': there are fire",
    ),
    # scores
    ("alerts: {threshold: 0.4, release: 0.5}", "alerts.release: the release 0.5 is above"),
    (
        "alerts: {release: 0.5}\n" + QUESTION + "cameras:\n"
        "  a:\n"
        "    url: push\n"
        "    questions: {fire: {alerts: {threshold: 0.4}}}",
        "6: cameras.a.questions.fire.alerts.threshold: the release 0.5 is above the threshold 0.4",
    ),
    # engine
    ("model: nowhere", "model: unknown model 'nowhere'"),
    ("engine: {settings: {pruner: nope}}", "engine.settings.pruner: unknown pruner 'nope'"),
    ("engine: {settings: {windw: 4}}", "engine.settings.windw: there is no such setting: did you"),
    ("engine: {settings: {fps: 0}}", "engine.settings.fps: input should be greater than 0"),
    ("engine: {settings: {window: 2, stride: 4}}", "engine.settings: the window of 2 s is shorter"),
    ("engine: {device: gpu}", "engine.device: there is no device 'gpu'"),
    ("engine: {dtype: half}", "engine.dtype: 'half' is not one of float32, bfloat16, float16"),
    (
        "timezone: Europe/Berln",
        "there is no time zone 'Europe/Berln': did you mean 'Europe/Berlin'",
    ),
    ("timezone: ../../etc/passwd", "timezone: there is no time zone"),
    # server and store
    ("server: {host: 0.0.0.0}", "server.host: others could reach 0.0.0.0, and there is no token"),
    ("cameras: {" + "".join(f"c{n}: {{url: push}}, " for n in range(1001)) + "}", "at most 1000"),
    ("server: {token: ' '}", "server.token: it is empty"),
    ("server: {token: hunter2-hunter2}", "server.token: it has fewer than 16 characters"),
    ("server: {token: abcabcabcabcabcabc}", "server.token: fewer than 6 of its characters differ"),
    ("server: {token_file: none}", "server.token_file: can't read the file"),
    ("server: {hosts: ['http://x']}", "server.hosts[0]: 'http://x' is no host"),
    ("server: {origins: [https://x/y]}", "server.origins[0]: 'https://x/y' is no origin"),
    ("server: {camera_networks: [1.2.3.4/8]}", "'1.2.3.4/8' is no network"),
    ("server: {camera_schemes: [rstp]}", "there is no scheme 'rstp': did you mean 'rtsp'?"),
    ("server: {tls_key: none}", "server.tls_key: https takes tls_certificate as well"),
    ("store: {url: abc}", "store.url: it is no URL of SQLAlchemy"),
    # YAML
    ("cameras: {a: {url: push}}\ncameras: {}", "2: cameras: it is given twice, first in line 1"),
    ("x-a: {b: 1}\ncameras: {a: {url: push}, a: {url: push}}", "2: cameras.a: it is given twice"),
    # sinks
    ("sinks: {a: {type: webhook, url: 'ftp://x'}}", "sinks.a.url: it is no http or https URL"),
    ("sinks: {a: {type: webhook, url: 'https://'}}", "sinks.a.url: it is no http or https URL"),
    (
        "sinks: {a: {type: webhook, url: 'http://x', headers: {'A b': c}}}",
        "sinks.a.headers.A b: it is no name of a header",
    ),
    (
        'sinks: {a: {type: webhook, url: "http://x", headers: {A: "b\\nC: d"}}}',
        "sinks.a.headers.A: a header is text on one line",
    ),
    ("sinks: {a: {type: mqtt, host: ''}}", "sinks.a.host: it is no host"),
    (
        "sinks: {a: {type: mqtt, host: b, discovery: 'a/#'}}",
        "sinks.a.discovery: 'a/#' is no prefix",
    ),
    ('sinks: {a: {type: mqtt, host: b, prefix: "a\\0"}}', "is no prefix of topics"),
    ("sinks: {a: {type: command, run: ['']}}", "sinks.a.run[0]: it is empty"),
    ('sinks: {a: {type: command, run: [a, "\\0"]}}', "sinks.a.run[1]: no program takes a NUL"),
    # durations
    ("cameras: {a: {url: push, timeout: 30d}}", "30d' is more than 86400"),
    ("alerts: {before: 1e300}", "1e+300 is more than"),
    ("cameras: {a: {url: !env X}}", "cameras.a.url: there is no tag !env for this: !file is"),
    (
        "cameras: {a: {url: !!python/object:os.system x}}",
        "there is no tag !!python/object:os.system",
    ),
    ("cameras: {a: !file x}\nquestions: !!set {a}", "questions: there is no tag !!set"),
    ("cameras: {[a, b]: {url: x}}", "cameras: a name is needed before the colon"),
    ("cameras: {a: {<<: 3, url: push}}", "cameras.a: <<: takes what an anchor names"),
]


@pytest.mark.parametrize(("text", "message"), WRONG, ids=range(len(WRONG)))
def test_each_error_is_one_line_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    reading = read(tmp_path, text)
    assert reading.config is None
    lines = told(reading)
    assert any(message in line for line in lines), lines
    assert all("\n" not in line and line.startswith("cameras.yaml") for line in lines)


def test_all_errors_are_told_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    reading = read(
        tmp_path,
        """
        timezone: Nowhere/There
        questions:
          fire: {ask: Is there fire?, zone: gate}
        cameras:
          door:
            url: rtsp://10.0.0.1
            transport: tpc
            questions: [fier]
            zones:
              flat: [[0, 0], [0.5, 0.5], [1, 1]]
        sinks:
          home: {type: mqtt, host: broker, cameras: [door, dor]}
        """,
    )
    assert [(problem.line, problem.field) for problem in reading.problems] == [
        (2, "timezone"),
        (4, "questions.fire.zone"),
        (8, "cameras.door.transport"),
        (9, "cameras.door.questions[0]"),
        (11, "cameras.door.zones.flat"),
        (13, "sinks.home.cameras[1]"),
    ]


def test_what_is_named_is_known_though_it_is_wrong_itself(tmp_path: Path) -> None:
    reading = read(
        tmp_path,
        """
        questions: {fire: {ask: 12}}
        cameras: {door: {url: push, questions: [fire]}, hall: {}}
        sinks: {home: {type: mqtt, host: broker, cameras: [hall], questions: [fire]}}
        """,
    )
    fields = [problem.field for problem in reading.problems]
    assert fields == ["questions.fire.ask", "cameras.hall.url"]


def test_a_right_file_without_anything_odd(tmp_path: Path) -> None:
    reading = read(tmp_path, REAL + QUESTION + CAMERA)
    assert reading.config is not None
    assert reading.problems == () and reading.warnings == ()


def test_a_file_of_too_many_values_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("costream.serve.config.nodes.MOST_NODES", 50)
    reading = read(tmp_path, "model: x\nx-list:\n" + "  - a\n" * 60)
    assert [p.text("f") for p in reading.problems] == [
        "f:48: more than 50 values are too many to read"
    ]


def test_two_cameras_may_share_a_url_and_it_is_told(tmp_path: Path) -> None:
    reading = read(
        tmp_path, REAL + QUESTION + "cameras:\n  a: {url: rtsp://x}\n  b: {url: rtsp://x}\n"
    )
    assert reading.config is not None
    assert [w.text("f") for w in reading.warnings] == [
        "f:5: cameras.b.url: the camera 'a' has the same URL"
    ]


def test_a_file_that_may_come_later_is_a_warning(tmp_path: Path) -> None:
    reading = read(tmp_path, REAL + QUESTION + "cameras: {a: {url: clips/door.mp4, loop: true}}")
    assert reading.config is not None
    assert reading.config.cameras["a"].url == str(tmp_path / "clips" / "door.mp4")
    assert [w.message for w in reading.warnings] == [f"there is no file {tmp_path}/clips/door.mp4"]


def test_an_address_without_its_scheme_shows_no_password(tmp_path: Path) -> None:
    reading = read(tmp_path, REAL + QUESTION + "cameras: {a: {url: 'me:hun@ter2/x:y@host/1'}}")
    (warning,) = reading.warnings
    assert "hun" not in warning.text("f") and "rtsp://" in warning.message


def test_names_of_files_begin_at_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "token").write_text("0123456789abcdef\n")
    found = config(tmp_path, "data: kept\nserver: {token_file: secrets/token}")
    assert found.data == str(tmp_path / "kept")
    assert found.server.token is not None
    assert found.server.token.get_secret_value() == "0123456789abcdef"


def test_a_question_about_a_zone_is_asked_where_there_is_one(tmp_path: Path) -> None:
    reading = read(
        tmp_path,
        """
        model: Qwen/Qwen3-VL-2B-Instruct
        questions: {q: {ask: Is it?, zone: gate}}
        cameras:
          a: {url: push, zones: {gate: [[0, 0], [1, 0], [1, 1]]}}
          b: {url: push}
        """,
    )
    assert reading.config is not None
    assert [w.field for w in reading.warnings] == ["cameras.b"]


def test_load_raises_everything_and_logs_what_is_odd(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "cameras.yaml"
    file.write_text("cameras: {a: {url: push}}\n")
    with caplog.at_level(logging.WARNING, "costream"):
        assert list(load_config(file).cameras) == ["a"]
    assert "cameras.yaml:1: cameras.a: it is asked no question" in caplog.text
    assert " model: costream/tiny knows nine questions" in caplog.text
    file.write_text("model: nowhere\ncameras: {a: {}}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert len(caught.value.problems) == 2
    assert str(caught.value).startswith(f"{file}:1: model: ")
    assert str(caught.value).endswith("(and 1 more: see costream check)")


TOKENS = ["*yard", "&x", "[", "}", ":", "- ", "null", "-1", "1e999", "${X}", "${", "!file x", "'"]
TOKENS += ["\t", "|", "? ", "%", "true", ".nan", "[]", "{}", "\u2028", "\x00", "é", "[[0,0]]"]


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_whatever_becomes_of_a_file_it_is_read_or_told_in_lines(random: Random) -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").split("\n")
    for _ in range(random.randint(1, 4)):
        number = random.randrange(len(lines))
        line, place = lines[number], random.randint(0, len(lines[number]))
        lines[number] = random.choice(
            [f"  {line}", "", line[:place] + random.choice(TOKENS) + line[place + 3 :]]
        )
    with TemporaryDirectory() as folder:
        file = Path(folder) / "cameras.yaml"
        file.write_text("\n".join(lines), encoding="utf-8")
        reading = read_config(file, {})
    assert (reading.config is None) == bool(reading.problems)
    assert all(problem.text("f").isprintable() for problem in reading.problems)
    if reading.config is not None:
        resolve(reading.config)
