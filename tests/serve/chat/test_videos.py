"""Which videos stay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from costream.serve.api import chat_videos
from costream.serve.api.chat_errors import ApiError
from costream.serve.api.chat_videos import Video, Videos
from tests.serve.chat.service import Service


@pytest.fixture
def videos(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Videos]:
    monkeypatch.setattr(chat_videos, "MOST", 2)
    videos = Videos(service)
    yield videos
    videos.close()


def ask(videos: Videos, content: str, path: Path) -> tuple[Video, bool]:
    """Asks one question; says whether the video was computed for it."""
    video = videos.take(content, path)
    try:
        reply = video.handle.inquire("What happens?", max_tokens=1)
        reply.read()
        return video, videos.read_to_its_end(video)
    finally:
        videos.give_back(video)


def test_those_that_were_asked_about_last_stay(videos: Videos, video: Path) -> None:
    first, fresh = ask(videos, "a", video)
    assert fresh and first.process is None
    ask(videos, "b", video)
    assert ask(videos, "a", video) == (first, False)
    ask(videos, "c", video)
    assert ask(videos, "a", video) == (first, False)
    assert (videos.hits, videos.misses, videos.evicted) == (2, 3, 1)
    _, fresh = ask(videos, "b", video)
    assert fresh


def test_one_that_is_being_asked_about_stays(videos: Videos, video: Path) -> None:
    used = [videos.take(name, video) for name in "ab"]
    with pytest.raises(ApiError, match="are being asked about") as refused:
        videos.take("c", video)
    assert refused.value.status == 429 and refused.value.headers["Retry-After"]
    videos.give_back(used[0])
    videos.take("c", video)
    assert used[0].handle.cancelled and not used[1].handle.cancelled


def test_one_that_nobody_asks_about_or_that_is_too_large_goes(
    videos: Videos, video: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = service.engine.runner.pool
    first, _ = ask(videos, "a", video)
    assert first.rows > 20
    used = pool.used
    monkeypatch.setattr(chat_videos, "ROWS", first.rows + 10)
    second, _ = ask(videos, "b", video)
    assert first.handle.cancelled and not second.handle.cancelled
    monkeypatch.setattr(chat_videos, "IDLE", -1.0)
    videos.sweep()
    assert second.handle.wait(30) and pool.used < used


def test_a_file_that_was_made_for_the_reading_goes_with_it(
    videos: Videos, video: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(video.read_bytes())
    taken = videos.take("a", copy, copy.unlink)
    taken.handle.inquire("What happens?", max_tokens=1).read()
    assert copy.exists()
    videos.read_to_its_end(taken)
    videos.give_back(taken)
    assert not copy.exists()
    discarded = []
    videos.give_back(videos.take("a", copy, lambda: discarded.append(True)))
    assert discarded
