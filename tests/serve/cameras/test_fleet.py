"""A fleet makes so what is wanted, and no camera's trouble is another's."""

from __future__ import annotations

import io
import os
import signal
import socket
import threading
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from costream.engine.ingest_process import IngestProcess
from costream.errors import ForgottenError, SettingsError, UnknownError
from costream.serve.cameras import due
from costream.serve.config.model import ScheduleConfig
from costream.serve.status import StateNews
from tests.serve.cameras.watching import SOON, Watching, camera, question


def is_running(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("costream")]


def test_a_file_in_a_loop_is_watched_as_a_camera_is(watching: Watching, film: Path) -> None:
    watching.fleet.want([camera("door", str(film), question("a"), question("b", "Is there fire?"),
                                question("same"), loop=True)])  # fmt: skip
    begun = time.time()
    watching.await_windows("door", 9)  # longer than the film
    status, (_, news) = watching.fleet.status("door"), watching.results["door"][-1]
    assert [n.index for n in watching.windows("door")] == list(range(len(watching.windows("door"))))
    assert watching.states["door"] == [("starting", None), ("watching", None)]
    assert status.state == "watching" and status.error is None
    assert (status.width, status.height, status.codec, status.fps) == (320, 240, "h264", 10.0)
    assert {score.question for score in news.scores} == {"a", "b", "same"}
    assert {s.score for s in news.scores if s.question in ("a", "same")} == {news.scores[0].score}
    assert news.kept.dtype == np.float32 and news.kept.shape == (3, 4) and 0 < news.kept.max() <= 1
    assert begun < news.at <= time.time() and news.lag is not None and news.lag < SOON
    savings = status.savings
    assert savings.windows >= 9 and 0 < savings.patches_kept <= savings.patches_full
    assert 0 < savings.tokens_spent < savings.tokens_full
    assert 0 < savings.flops_spent < savings.flops_full
    preview = watching.hub.preview("door")
    assert preview is not None and preview.motion is not None and preview.motion.shape == (24, 32)
    with Image.open(io.BytesIO(preview.jpeg)) as image:
        assert image.size == (320, 240)
    watching.until(lambda: watching.fleet.status("door").savings.bytes_received > 10_000)
    assert watching.fleet.status("door").savings.bytes_jpeg > 10_000
    watching.fleet.want([])
    assert watching.hub.preview("door") is None and watching.hub.window("door") is None
    with pytest.raises(UnknownError, match="there is no camera door"):
        watching.fleet.status("door")
    watching.fleet.want([camera("door", str(film), paused=True)])
    watching.until(lambda: threads().count("costream-camera-door") == 1)
    assert watching.hub.preview("door") is None, "the picture of the camera that was removed"


def test_questions_change_without_reading_the_camera_anew(watching: Watching, film: Path) -> None:
    door = camera("door", str(film), loop=True)
    watching.fleet.want([door])
    watching.await_windows("door")
    pid = watching.pid("door")
    asked = [
        [question("it", "Is there fire?")],
        [question("smoke", "Is there smoke?"), question("it")],
        [question("renamed", "Is there smoke?", threshold=0.25), question("it")],
    ]
    for questions in asked:
        watching.fleet.want([replace(door, questions=tuple(questions))])
        ids = [q.id for q in questions]
        watching.until(lambda: [s.question for s in watching.windows("door")[-1].scores] == ids)  # noqa: B023
    result, news = watching.results["door"][-1]
    assert [a.ask for a in result.answers] == ["Is there smoke?", "Is it?"]
    assert [s.score for s in news.scores] == [a.score for a in result.answers]
    assert news.scores[0].threshold == 0.25
    assert watching.pid("door") == pid
    assert watching.engine.model  # one engine served all along
    watching.fleet.want([replace(door, masks=(((0, 0), (1, 0), (1, 1)),))])
    watching.until(lambda: watching.pid("door") not in (pid, None))


def test_a_question_is_asked_of_its_zone(watching: Watching, film: Path) -> None:
    left: list[tuple[float, float]] = [(0.0, 0.0), (0.4, 0.0), (0.4, 1.0), (0.0, 1.0)]
    asked = question("whole"), replace(question("left"), zone="left", polygon=left)
    watching.fleet.want([camera("door", str(film), *asked, zones={"left": left}, loop=True)])
    watching.await_windows("door", 2)
    result, news = watching.results["door"][-1]
    assert [(answer.ask, answer.zone) for answer in result.answers] == [
        ("Is it?", None),
        ("Is it?", "left"),
    ]
    assert [(score.question, score.score) for score in news.scores] == [
        (id, answer.score) for id, answer in zip(("whole", "left"), result.answers, strict=True)
    ]


def test_a_paused_camera_lets_go_of_everything_and_goes_on(watching: Watching, film: Path) -> None:
    door, yard = (camera(id, str(film), loop=True) for id in ("door", "yard"))
    watching.fleet.want([door, yard])
    watching.await_windows("door")
    watching.await_windows("yard")
    pid = watching.pid("door")
    assert pid is not None
    watching.fleet.want([replace(door, paused=True), yard])
    watching.until(lambda: not is_running(pid))
    watching.await_state("door", "paused")
    assert watching.fleet.status("door").rows == 0 and watching.fleet.handle("door") is None
    with pytest.raises(ForgottenError, match="is not being read"):
        watching.fleet.newest_packets("door", 0.0)
    watching.await_windows("yard")
    windows = watching.fleet.status("door").savings.windows
    watching.fleet.want([door, yard])
    watching.await_windows("door")
    assert watching.fleet.status("door").savings.windows > windows
    assert watching.windows("door")[-1].index < windows + 2


def test_closing_leaves_no_thread_process_or_row(watching: Watching, film: Path) -> None:
    watching.fleet.want([camera(id, str(film), loop=True) for id in ("door", "yard")])
    watching.await_windows("door")
    watching.await_windows("yard")
    pids = [watching.pid(id) for id in ("door", "yard")]
    watching.fleet.close()
    assert not any(is_running(pid) for pid in pids if pid is not None)
    watching.until(lambda: not threads())
    pool, prompt = watching.engine.runner.pool, watching.engine.runner.prompt
    pool.check_integrity([prompt.rows])


def test_a_process_that_is_killed_takes_no_other_down_and_is_started_again(
    watching: Watching, film: Path
) -> None:
    watching.fleet.want([camera(id, str(film), loop=True) for id in ("door", "yard")])
    watching.await_windows("door")
    watching.await_windows("yard")
    yard, pid = watching.pid("yard"), watching.pid("door")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    watching.until(lambda: any(state == "failed" for state, _ in watching.states["door"]))
    _, cause = next(item for item in watching.states["door"] if item[0] == "failed")
    assert cause is not None and "a process that reads a camera ended with status" in cause
    watching.await_windows("door")
    assert watching.pid("yard") == yard
    assert watching.fleet.status("door").state == "watching"


def test_whoever_is_slow_about_one_camera_keeps_no_other_waiting(
    watching: Watching, film: Path
) -> None:
    stuck = threading.Event()
    watching.on_result = lambda camera: camera.id == "door" and stuck.wait(SOON)
    watching.fleet.want([camera(id, str(film), loop=True) for id in ("door", "yard")])
    watching.until(lambda: watching.windows("door"))
    watching.await_windows("yard", 12)
    # Of the other one, 8 results wait at most.
    assert len(watching.windows("door")) == 1 and watching.fleet.status("door").queued <= 8
    stuck.set()
    watching.await_windows("door", 8)
    indices = [news.index for news in watching.windows("door")]
    assert indices == sorted(indices)


def test_an_error_of_whoever_is_told_ends_no_watch(
    watching: Watching, film: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(camera: object) -> None:
        raise ValueError("no disk")

    watching.on_result = fail
    watching.fleet.want([camera("door", str(film), loop=True)])
    watching.await_windows("door", 2)
    assert "a window of camera door could not be dealt with: ValueError('no disk')" in caplog.text


def test_what_can_t_be_watched_says_why_and_is_tried_again(
    watching: Watching, tmp_path: Path, film: Path
) -> None:
    path = tmp_path / "late.mp4"
    watching.fleet.want([
        camera("late", str(path), loop=True),
        camera("from-api", str(film), source="api"),
        camera("odd", "synthetic:picnic"),
        camera("srt", "srt://127.0.0.1:1"),
    ])  # fmt: skip
    for id in ("late", "from-api", "odd", "srt"):
        watching.await_state(id, "failed")
    errors = {id: watching.fleet.status(id).error for id in ("late", "from-api", "odd", "srt")}
    assert errors["late"] == f"can't open {path}: no such file or directory"
    assert "only network addresses may be given from elsewhere" in str(errors["from-api"])
    assert "there is no synthetic camera 'picnic'" in str(errors["odd"])
    assert "protocol" in str(errors["srt"]).lower()
    path.write_bytes(film.read_bytes())
    watching.await_windows("late")


def test_a_camera_that_is_absent_says_why_while_it_is_waited_for(watching: Watching) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    watching.fleet.want([camera("door", f"rtsp://user:secret@127.0.0.1:{port}/camera")])
    watching.until(lambda: "connection refused" in str(watching.fleet.status("door").error))
    status = watching.fleet.status("door")
    assert status.state == "starting" and "secret" not in repr(status)


def test_a_file_that_ends_rests_until_it_is_changed(watching: Watching, film: Path) -> None:
    watching.fleet.want([camera("door", str(film))])
    watching.await_state("door", "resting")
    assert watching.fleet.status("door").error == "it has ended: set loop to have it begin again"
    assert len(watching.windows("door")) == 5 and watching.windows("door")[0].lag is None
    watching.fleet.want([camera("door", str(film), loop=True)])
    watching.await_windows("door")


def test_schedules_say_what_is_asked_and_when_a_camera_rests(
    watching: Watching, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = {"day": True, "night": False}

    def is_on(schedule: tuple[ScheduleConfig, ...], moment: datetime) -> bool:
        assert moment.tzinfo is not None
        return all(on[one.from_] for one in schedule)

    monkeypatch.setattr(due, "is_on", is_on)
    times = {name: (ScheduleConfig.model_construct(from_=name),) for name in on}
    day, night = (question(name, f"Is it {name}?", schedule=times[name]) for name in on)
    watching.fleet.want([camera("door", str(film), day, night, loop=True)])
    watching.await_windows("door")
    pid = watching.pid("door")
    on["night"] = True
    watching.until(lambda: len(watching.windows("door")[-1].scores) == 2)
    assert watching.pid("door") == pid is not None
    on["day"] = on["night"] = False
    watching.await_state("door", "resting")
    watching.until(lambda: not is_running(pid))
    on["night"] = True
    before = watching.await_windows("door")
    assert [s.question for s in watching.windows("door")[before].scores] == ["night"]


def test_masks_are_black_in_previews_and_stills(watching: Watching, film: Path) -> None:
    half = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
    watching.fleet.want([camera("door", str(film), masks=(half,), loop=True)])
    watching.await_windows("door", 3)
    preview = watching.hub.preview("door")
    assert preview is not None and preview.motion is not None
    still = watching.fleet.still("door", watching.windows("door")[-1].index)
    for jpeg in (preview.jpeg, still):
        with Image.open(io.BytesIO(jpeg)) as image:
            assert image.size == (320, 240)
            pixels = np.asarray(image.convert("L"))
        assert pixels[:, :152].max() < 8 and pixels[:, 170:].mean() > 20
    assert not preview.motion[:, :16].any()
    with Image.open(io.BytesIO(watching.fleet.still("door", 10**6))) as image:
        assert image.size == (320, 240)  # the preview's


def test_a_camera_that_is_not_pushed_to_says_so(watching: Watching, film: Path) -> None:
    watching.fleet.want([camera("door", str(film), loop=True)])
    with pytest.raises(SettingsError, match="is read from its URL"):
        watching.fleet.push("door", [b"x"])


def test_states_are_news_of_the_hub(watching: Watching, film: Path) -> None:
    news: list[object] = []
    publish = watching.hub.publish
    watching.hub.publish = lambda item: (news.append(item), publish(item))[1]  # type: ignore[method-assign]
    watching.fleet.want([camera("door", str(film), loop=True)])
    watching.await_windows("door")
    watching.fleet.want([])
    watching.until(lambda: StateNews("door", None) in news)
    states = [n.status.state for n in news if isinstance(n, StateNews) and n.status]
    assert states == ["starting", "watching"]


def test_what_nobody_foresaw_ends_no_watch(
    watching: Watching, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as broken:
        broken.setattr(IngestProcess, "of", fail)
        watching.fleet.want([camera("door", str(film), loop=True)])
        watching.until(lambda: "can't start" in (watching.fleet.status("door").error or ""))
    watching.await_windows("door")
    assert watching.fleet.status("door").state == "watching"
    # Where memory runs out, the process that reads goes and not the service.
    score = Path(f"/proc/{watching.pid('door')}/oom_score_adj")
    assert score.read_text() == "500\n"


def test_a_yes_is_confirmed_at_each_score_that_alerts(confirming: Watching, film: Path) -> None:
    # No score reaches the engine's threshold, and one that of its alert.
    alerting = question("low", threshold=0.0), question("never", "Is there fire?", threshold=1.0)
    confirming.fleet.want([camera("door", str(film), *alerting, loop=True)])
    confirming.await_windows("door", 4)
    first, *others = [result.confirmation for result, _ in confirming.results["door"][:4]]
    assert first is not None and (first.risen, first.upheld) == (1, 1)
    assert others == [None] * 3
    status = confirming.fleet.status("door")
    assert status.confirmations == {"upheld": 1, "refuted": 0, "missed": 0}
    before = confirming.await_windows("door")
    confirming.fleet.want([camera("door", str(film), question("low", threshold=0.01), loop=True)])
    confirming.await_windows("door", 2)
    # Another threshold that was reached before as well is no reason to ask again.
    assert not any(result.confirmation for result, _ in confirming.results["door"][before:])
