"""Real RTSP cameras that die, stall, are damaged, change their size, and come by the dozen."""

from __future__ import annotations

import itertools
import time

import pytest

from costream.serve.cameras.clip_recorder import ClipRecorder
from costream.serve.cameras.media import MediaFolder
from tests.serve.cameras.packets import pictures_of, times_of
from tests.serve.cameras.watching import Watching, camera
from tests.video.cameras import RtspCamera, need_gstreamer
from tests.video.films import clip_film, codec_and_size, world_film

MINUTE = 60.0

CCTV = [
    "fi001", "fi004", "fi016", "fi021", "fi028", "fi037", "fi085", "fi088",
    "nofi001", "nofi004", "nofi007", "nofi016", "nofi019", "nofi046", "nofi079", "nofi088",
]  # fmt: skip
"""Clips of as many real cameras: 240 to 360 lines, 12 to 30 frames a second."""


@pytest.mark.timeout(400)
def test_a_camera_dies_stalls_returns_and_comes_back_larger(
    watching: Watching, rtsp: RtspCamera, tmp_path
) -> None:
    clips = []
    recorder = ClipRecorder(
        MediaFolder(tmp_path), watching.fleet.newest_packets, lambda *clip: clips.append(clip)
    )
    larger = clip_film(tmp_path, "dvrscan-motorway.mp4")
    _, (width, height) = codec_and_size(larger)
    rtsp.kill()
    rtsp.films = (world_film(tmp_path, codec="libx265"),)
    rtsp.start()
    watching.fleet.want([camera("door", rtsp.url)])
    watching.await_windows("door", 2)
    assert watching.fleet.status("door").state == "watching"
    recorder.begin("event", "door", time.time(), 600.0)
    rtsp.freeze()
    watching.await_state("door", "lost")
    assert "no data for 2 s" in str(watching.fleet.status("door").error)
    rtsp.thaw()
    watching.await_state("door", "watching")
    pid = watching.pid("door")
    watching.until(lambda: watching.fleet.status("door").reconnects == 1)
    watching.await_windows("door")
    assert watching.pid("door") == pid
    windows = watching.windows("door")
    assert all(before.at < after.at for before, after in itertools.pairwise(windows))
    rtsp.kill()
    watching.await_state("door", "lost")
    rtsp.films = (larger,)
    rtsp.start()
    watching.until(lambda: watching.fleet.status("door").width == width)
    watching.until(lambda: watching.pid("door") not in (pid, None))
    watching.until(lambda: clips)
    watching.await_windows("door", 2)
    assert watching.fleet.status("door").height == height
    assert watching.fleet.status("door").state == "watching"
    # The clip goes on over losses, and ends where the size changes.
    (event, path), times = clips[0], times_of(clips[0][1])
    assert event == "event" and recorder.dropped == 0
    assert path.parent.relative_to(tmp_path).as_posix() == time.strftime("%Y/%m/%d", time.gmtime())
    assert {picture.shape for picture in pictures_of(path)} == {(192, 320)}
    assert max(after - before for before, after in itertools.pairwise(times)) > 1.0


@pytest.mark.timeout(400)
def test_a_camera_whose_packets_are_damaged_for_a_minute_goes_on_and_is_counted(
    watching: Watching, tmp_path
) -> None:
    need_gstreamer()
    spoilt = RtspCamera(clip_film(tmp_path, "intel-car-park.mp4", 300.0), damage=0.0003)
    try:
        watching.fleet.want([camera("door", spoilt.url)])
        watching.until(lambda: watching.fleet.status("door").damaged > 4)
        watching.await_windows("door", 4)
        time.sleep(MINUTE)
        answered = watching.fleet.status("door").savings.windows
        watching.until(lambda: watching.fleet.status("door").savings.windows > answered)
        assert answered > 4 + MINUTE / 4
        assert watching.fleet.status("door").state == "watching"
        assert not any(state == "failed" for state, _ in watching.states["door"])
    finally:
        spoilt.kill()


def test_a_clip_of_a_camera_begins_before_it_is_asked_for(
    watching: Watching, rtsp: RtspCamera, tmp_path
) -> None:
    clips = []
    recorder = ClipRecorder(
        MediaFolder(tmp_path), watching.fleet.newest_packets, lambda *clip: clips.append(clip)
    )
    watching.fleet.want([camera("door", rtsp.url)])
    watching.await_windows("door", 9)
    now = time.time()
    recorder.begin("event", "door", now - 3.0, 600.0)
    recorder.begin("event", "door", now - 3.0, 600.0)
    recorder.finish("event", now + 1.0)
    assert recorder.active == 1
    watching.until(lambda: clips)
    assert recorder.active == 0 and len(clips) == 1
    # A key frame comes every second: it begins at most that much earlier.
    seconds = times_of(clips[0][1])[-1]
    assert 3.9 < seconds < 5.5
    assert not list(tmp_path.rglob("*.part"))
    recorder.begin("longest", "door", time.time() - 1.0, 2.0)
    watching.until(lambda: len(clips) == 2)
    assert times_of(clips[1][1])[-1] < 3.5


@pytest.mark.timeout(400)
def test_sixteen_cameras_at_once(watching: Watching, rtsp: RtspCamera, tmp_path) -> None:
    rtsp.kill()
    rtsp.films = tuple(clip_film(tmp_path, f"cctv/{name}.mp4", 100.0) for name in CCTV)
    rtsp.start()
    ids = [f"camera-{n}" for n in range(16)]
    watching.fleet.want(
        [camera(id, url, timeout=30.0) for id, url in zip(ids, rtsp.urls, strict=True)]
    )
    watching.until(lambda: all(len(watching.windows(id)) >= 2 for id in ids))
    assert {watching.fleet.status(id).state for id in ids} == {"watching"}
    assert not any(state == "failed" for id in ids for state, _ in watching.states[id])
