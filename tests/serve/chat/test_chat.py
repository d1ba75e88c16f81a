"""The real client of OpenAI against a real server."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from costream.serve.api import chat
from costream.serve.api.chat_sent import SentVideos
from tests.serve.chat.service import Service, served, until

DRAWN: Any = {"temperature": 2.0, "seed": 5, "max_tokens": 6}
"""An untrained model's likeliest token may end a reply at once, or say nothing."""

ASKED: Any = [{"role": "user", "content": "What happens here?"}]


def about(url: str, text: str = "What happens here?") -> Any:
    """A message with a video."""
    parts = [{"type": "video_url", "video_url": {"url": url}}, {"type": "text", "text": text}]
    return [{"role": "user", "content": parts}]


def inline(video: Path) -> str:
    return "data:video/mp4;base64," + base64.b64encode(video.read_bytes()).decode()


def test_a_camera_is_asked_as_a_model_and_by_its_name(client: OpenAI) -> None:
    one = client.chat.completions.create(model="camera:yard", messages=ASKED, **DRAWN)
    other = client.chat.completions.create(
        model="costream", messages=ASKED, extra_body={"camera": "yard"}, **DRAWN
    )
    text = one.choices[0].message.content
    assert text == other.choices[0].message.content != ""
    assert one.choices[0].finish_reason == "length"
    assert (one.object, one.model, other.model) == ("chat.completion", "camera:yard", "costream")
    usage = one.usage
    assert usage is not None and usage.prompt_tokens_details is not None
    assert usage.completion_tokens == 6
    assert usage.total_tokens == usage.prompt_tokens + 6
    asked = usage.prompt_tokens - (usage.prompt_tokens_details.cached_tokens or 0)
    assert 0 < asked < 30 < usage.prompt_tokens
    evidence = one.model_extra["costream"] if one.model_extra else {}
    assert (evidence["camera"], evidence["start"], evidence["end"]) == ("yard", 0, 6)
    assert 0 < evidence["yes"] < 1


def test_a_stream_gives_the_same_in_pieces(client: OpenAI) -> None:
    whole = client.chat.completions.create(model="camera:yard", messages=ASKED, **DRAWN)
    chunks = list(
        client.chat.completions.create(
            model="camera:yard",
            messages=ASKED,
            stream=True,
            stream_options={"include_usage": True},
            **DRAWN,
        )
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(pieces) == whole.choices[0].message.content
    assert len([piece for piece in pieces if piece]) > 1
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "length"
    assert chunks[-1].usage == whole.usage and not chunks[-1].choices
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_conversation_goes_on(client: OpenAI) -> None:
    talk: Any = [
        {"role": "system", "content": "Answer briefly."},
        {"role": "developer", "content": [{"type": "text", "text": "In English."}]},
        *ASKED,
        {"role": "assistant", "content": "A person walks."},
        {"role": "user", "content": "Where to? <|im_end|>"},
    ]
    reply = client.chat.completions.create(model="camera:yard", messages=talk, **DRAWN)
    assert reply.choices[0].message.content


def test_a_reply_ends_before_a_stop(client: OpenAI) -> None:
    def text(**options: Any) -> str:
        reply = client.chat.completions.create(
            model="camera:yard", messages=ASKED, **{**DRAWN, **options}
        )
        assert reply.choices[0].finish_reason == ("stop" if options else "length")
        return reply.choices[0].message.content or ""

    whole = text()
    stop = whole[len(whole) // 2 :][:2]
    assert text(stop=stop) == whole.partition(stop)[0]


def test_probabilities_are_told(client: OpenAI) -> None:
    reply = client.chat.completions.create(
        model="camera:yard", messages=ASKED, logprobs=True, top_logprobs=3, **DRAWN
    )
    logprobs = reply.choices[0].logprobs
    assert logprobs is not None and logprobs.content is not None
    assert len(logprobs.content) == 6
    for token in logprobs.content:
        likeliest = [one.logprob for one in token.top_logprobs]
        assert len(likeliest) == 3 and likeliest == sorted(likeliest, reverse=True)
        assert token.logprob <= likeliest[0] <= 0


def test_an_upload_is_read_once_and_further_questions_cost_only_themselves(
    client: OpenAI, service: Service, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = client.files.create(file=video, purpose="vision")
    assert (file.filename, file.bytes) == ("video.mp4", video.stat().st_size)
    assert [known.id for known in client.files.list()] == [file.id]
    assert client.files.retrieve(file.id) == file
    first = client.chat.completions.create(
        model=service.model, messages=about(f"upload:{file.id}"), **DRAWN
    )
    model = service.engine.model
    monkeypatch.setattr(model, "encode", None)
    parts: Any = [
        {"type": "file", "file": {"file_id": file.id}},
        {"type": "text", "text": "And what is to be seen in the end?"},
    ]
    further = client.chat.completions.create(
        model=service.model, messages=[{"role": "user", "content": parts}], **DRAWN
    )
    same = client.chat.completions.create(
        model=service.model, messages=about(inline(video)), **DRAWN
    )
    assert same.choices[0].message.content == first.choices[0].message.content
    cached = []
    for reply in (first, further, same):
        assert reply.usage is not None and reply.usage.prompt_tokens_details is not None
        cached.append(reply.usage.prompt_tokens_details.cached_tokens or 0)
    assert cached[0] == 0 < 100 < cached[1] == cached[2]
    evidence = further.model_extra["costream"] if further.model_extra else {}
    assert (evidence["file"], evidence["start"], evidence["end"]) == (file.id, 0, 9)
    assert client.files.delete(file.id).deleted
    # What was read of the video stays, by its content.
    assert len(list(client.files.list())) == 0
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(
            model=service.model, messages=about(f"upload:{file.id}"), **DRAWN
        )


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"model": "gpt-4o"}, 404, "no model 'gpt-4o'"),
        ({"model": "camera:gate"}, 404, "no camera 'gate'"),
        ({"model": "camera:asleep"}, 409, "not watched now"),
        ({"model": "costream/test"}, 400, "name a camera"),
        ({"camera": "gate"}, 400, "two cameras"),
        ({"camera": "../x"}, 400, "camera: "),
        ({"n": 2}, 400, "n: one reply"),
        ({"temperature": 3}, 400, "temperature: "),
        ({"messages": []}, 400, "messages: "),
        ({"messages": [{"role": "tool", "content": "x"}]}, 400, "role"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, 400, "begins with a user"),
        ({"messages": [{"role": "user", "content": " "}]}, 400, "empty"),
        ({"messages": about("http://127.0.0.1/video.mp4")}, 400, "camera and a video"),
        ({"model": "costream", "messages": about("http://10.0.0.1/v")}, 400, "are not fetched"),
        ({"model": "costream", "messages": about("file:///etc/passwd")}, 400, "are not fetched"),
        ({"model": "costream", "messages": about("upload:../../x")}, 404, "no file"),
        ({"model": "costream", "messages": about("data:video/mp4;base64,%")}, 400, "not base64"),
        ({"model": "costream", "messages": about("data:video/mp4;base64,")}, 400, "is empty"),
        ({"tools": [{"type": "function"}]}, 400, "tools: this can't be had"),
        ({"response_format": {"type": "json_object"}}, 400, "replies are text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            400,
            "image_url can't be asked",
        ),
        ({"messages": [{"role": "user", "content": "x " * 200_000}]}, 400, "model's context"),
    ],
)
def test_what_can_t_be_asked_is_told_in_openai_s_format(
    url: str, change: dict[str, Any], status: int, message: str
) -> None:
    body = {"model": "camera:yard", "messages": ASKED, **change}
    answer = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60)
    error = answer.json()["error"]
    assert (answer.status_code, message in error["message"]) == (status, True), error
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"


def test_unknown_fields_are_ignored_and_broken_json_is_refused(url: str) -> None:
    known = {"model": "camera:yard", "messages": ASKED, "user": "me", "max_tokens": 1}
    assert httpx.post(f"{url}/v1/chat/completions", json=known).status_code == 200
    for raw in (b"{", b"[]", b"\xff", b'{"model": "\\ud800", "messages": []}'):
        assert httpx.post(f"{url}/v1/chat/completions", content=raw).status_code == 400


def test_requests_come_to_no_more_than_they_are_worth(url: str) -> None:
    many = {"tools": [[]] * (chat.VALUES + 1)}
    wordy = {"messages": [{"role": "user", "content": "x" * chat.WORDS}]}
    for change, message in ((many, "values at most"), (wordy, "bytes at most beside its video")):
        body = {"model": "camera:yard", "messages": ASKED, **change}
        answer = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60)
        assert answer.status_code == 413 and message in answer.json()["error"]["message"]


def test_few_hold_a_video_at_a_time(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "INLINE_AT_ONCE", 0)
    with served(service, SentVideos(service)) as url:
        body = {"model": "costream", "messages": about("data:video/mp4;base64," + "A" * chat.WORDS)}
        answer = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60)
        assert answer.status_code == 429


def test_what_is_no_video_is_told(client: OpenAI, service: Service) -> None:
    playlist = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"
    for data in (b"no video at all", playlist):
        file = client.files.create(file=("x.mp4", data), purpose="user_data")
        with pytest.raises(openai.BadRequestError, match="can't open <Video>: it is not a video"):
            client.chat.completions.create(
                model=service.model, messages=about(f"upload:{file.id}"), **DRAWN
            )
        client.files.delete(file.id)


def test_models_are_the_service_s_and_its_cameras(client: OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert names == ["costream/test", "camera:yard", "camera:asleep"]
    assert client.models.retrieve("costream/test").owned_by == "costream"
    assert client.models.retrieve("camera:yard").id == "camera:yard"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("camera:gate")


@pytest.fixture
def endless(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has replies go on for as long as they may."""
    monkeypatch.setattr(service.engine.model, "eos_ids", frozenset())


def long(url: str, **options: Any) -> Any:
    body = {"model": "camera:yard", "messages": ASKED, "temperature": 2.0, "max_tokens": 4096}
    return httpx.stream("POST", f"{url}/v1/chat/completions", json={**body, **options}, timeout=60)


@pytest.mark.usefixtures("endless")
def test_a_client_that_leaves_ends_its_reply(
    url: str, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []
    inquire = service.inquire

    def noted(*asked: Any) -> Any:
        begun.append(inquire(*asked))
        return begun[-1]

    monkeypatch.setattr(service, "inquire", noted)
    with long(url, stream=True) as answer:
        assert answer.status_code == 200
        next(answer.iter_lines())
    until(lambda: begun[0].finish == "cancelled")
    with pytest.raises(httpx.ReadTimeout), httpx.Client(timeout=1.0) as impatient:
        body = {"model": "camera:yard", "messages": ASKED, "temperature": 2.0, "max_tokens": 4096}
        impatient.post(f"{url}/v1/chat/completions", json=body)
    until(lambda: begun[1].finish == "cancelled")


@pytest.mark.usefixtures("endless")
def test_too_many_at_once_are_turned_away(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "REPLIES", 2)
    with (
        served(service, SentVideos(service)) as url,
        OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as client,
    ):
        with long(url, stream=True) as one, long(url, stream=True) as other:
            assert one.status_code == other.status_code == 200
            with pytest.raises(openai.RateLimitError) as turned_away:
                client.chat.completions.create(model="camera:yard", messages=ASKED, **DRAWN)
            assert turned_away.value.response.headers["retry-after"]
        until(lambda: _is_served(client))


def _is_served(client: OpenAI) -> bool:
    try:
        client.chat.completions.create(model="camera:yard", messages=ASKED, **DRAWN)
    except openai.RateLimitError:
        return False
    return True
