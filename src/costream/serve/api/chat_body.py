"""The body of a chat completion, as OpenAI's clients send it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, field_validator

from costream.engine.reply import ReplyOptions
from costream.serve.api.chat_errors import ApiError
from costream.serve.config.model import NAME
from costream.turn import Turn

LONGEST = 4096
"""Most tokens of a reply."""

USUAL = 512
"""Most tokens of a reply that nobody gave a length."""

CAMERA = "camera:"
"""How the models are named that stand for a camera."""

ALIAS = "costream"
"""A name by which the service's model goes, whatever it is."""

_UPLOAD = "upload:"

_UNSUPPORTED = (
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "audio",
    "logit_bias",
    "prediction",
    "presence_penalty",
    "frequency_penalty",
)


class VideoUrl(BaseModel):
    """Where a video is: ``data:video/mp4;base64,...`` or ``upload:FILE_ID``."""

    url: str = Field(examples=["upload:file-0123456789abcdef01234567"])


class FileRef(BaseModel):
    """A file that was uploaded."""

    file_id: str


class TextPart(BaseModel):
    """Text of a message."""

    type: Literal["text"]
    text: str


class VideoPart(BaseModel):
    """A video of a message."""

    type: Literal["video_url"]
    video_url: VideoUrl


class FilePart(BaseModel):
    """A video of a message that was uploaded."""

    type: Literal["file"]
    file: FileRef


class OtherPart(BaseModel):
    """What of OpenAI's format can't be asked about here."""

    type: Literal["image_url", "input_audio", "refusal"]


Part = Annotated[TextPart | VideoPart | FilePart | OtherPart, Field(discriminator="type")]


class Message(BaseModel):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | Annotated[list[Part], Field(max_length=64)]


class StreamOptions(BaseModel):
    """What a stream tells beside its text."""

    include_usage: bool = False


class ChatBody(BaseModel):
    """A chat completion that is asked for. Fields that are not listed are ignored.

    Attributes:
        model: the model's name, ``costream``, or ``camera:ID`` for a camera.
        messages: the conversation; a video stands in a user's message.
        camera: the camera's id, where ``model`` does not name it.
        stream: send the text as it is written.
        stream_options: what the stream tells beside.
        max_completion_tokens: most tokens of the reply.
        max_tokens: the same, by its old name.
        temperature: 0, the default, for the likeliest token each time.
        top_p: tokens are drawn of the likeliest that have this probability together.
        seed: of the draws.
        stop: texts before which the reply ends.
        n: replies; 1.
        logprobs: tell the logarithms of tokens' probabilities.
        top_logprobs: of how many more in each place.
        response_format: text.
    """

    model: str = Field(examples=["camera:yard"])
    messages: Annotated[list[Message], Field(min_length=1, max_length=256)]
    camera: Annotated[str, Field(pattern=NAME)] | None = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    max_completion_tokens: int | None = Field(None, ge=1)
    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(0.0, ge=0, le=2)
    top_p: float | None = Field(1.0, gt=0, le=1)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    n: int | None = 1
    logprobs: bool | None = False
    top_logprobs: int | None = Field(None, ge=0, le=20)
    response_format: dict[str, Any] | None = None

    tools: Any = None
    tool_choice: Any = None
    functions: Any = None
    function_call: Any = None
    audio: Any = None
    logit_bias: Any = None
    prediction: Any = None
    presence_penalty: Any = None
    frequency_penalty: Any = None

    @field_validator("n")
    @classmethod
    def _one(cls, n: int | None) -> int | None:
        if n not in (None, 1):
            raise ValueError("one reply is given at a time: leave n at 1")
        return n

    @field_validator("response_format")
    @classmethod
    def _text(cls, form: dict[str, Any] | None) -> dict[str, Any] | None:
        if form is not None and form.get("type") != "text":
            raise ValueError("replies are text: leave response_format out")
        return form

    @field_validator(*_UNSUPPORTED)
    @classmethod
    def _absent(cls, value: Any) -> Any:
        if value not in (None, 0, [], {}, "none", "auto"):
            raise ValueError("this can't be had here: leave it out")
        return None

    @property
    def options(self) -> ReplyOptions:
        """How the reply is written.

        Raises:
            SettingsError: a stop is empty.
        """
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        length = self.max_completion_tokens or self.max_tokens or USUAL
        return ReplyOptions(
            max_tokens=min(length, LONGEST),
            temperature=self.temperature or 0.0,
            top_p=self.top_p or 1.0,
            seed=self.seed,
            stop=tuple(stop),
            likeliest=max(self.top_logprobs or 0, 1) if self.logprobs else 0,
        )

    @property
    def turns(self) -> list[Turn]:
        """What is said, without the video."""
        return [Turn(_side(message.role), _text_of(message)) for message in self.messages]

    def target(self, model: str) -> str | None:
        """Returns the id of the camera that is asked about, or None for the video of a message.

        Args:
            model: the name of the service's model.

        Raises:
            ApiError: there is no such model, or it does not say which camera.
        """
        named = self.model.removeprefix(CAMERA) if self.model.startswith(CAMERA) else None
        if named is None and self.model not in (model, ALIAS):
            known = f"choose {model!r}, or 'camera:ID' for a camera"
            raise ApiError(
                404, f"no model {self.model!r}: {known}", param="model", code="model_not_found"
            )
        if named and self.camera not in (None, named):
            raise ApiError(400, "model and camera name two cameras", param="camera")
        return named or self.camera

    def video(self) -> str | None:
        """Returns the URL of the video that is asked about, if there is one.

        Raises:
            ApiError: there are several.
        """
        parts = [part for message in self.messages for part in _parts(message)]
        urls = {_url(part) for part in parts if isinstance(part, VideoPart | FilePart)}
        if len(urls) > 1:
            raise ApiError(400, "one video can be asked about at a time", param="messages")
        return urls.pop() if urls else None


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Returns the JSON schema of a model that refers to nothing outside of itself."""
    schema = model.model_json_schema()
    parts: dict[str, Any] = schema.pop("$defs", {})

    def whole(value: Any) -> Any:
        if isinstance(value, list):
            return [whole(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            return whole(parts[value["$ref"].rpartition("/")[2]])
        return {key: whole(item) for key, item in value.items() if key != "discriminator"}

    return dict(whole(schema))


def upload_id(url: str) -> str | None:
    """Returns the id of the upload that a URL names, or None where it names none."""
    return url.removeprefix(_UPLOAD) if url.startswith(_UPLOAD) else None


def _side(role: str) -> Literal["system", "user", "assistant"]:
    return "user" if role == "user" else "assistant" if role == "assistant" else "system"


def _parts(message: Message) -> list[TextPart | VideoPart | FilePart | OtherPart]:
    if isinstance(message.content, str):
        return [TextPart(type="text", text=message.content)]
    return message.content


def _url(part: VideoPart | FilePart) -> str:
    return part.video_url.url if isinstance(part, VideoPart) else f"{_UPLOAD}{part.file.file_id}"


def _text_of(message: Message) -> str:
    parts = _parts(message)
    for part in parts:
        if isinstance(part, OtherPart):
            raise ApiError(
                400,
                f"{part.type} can't be asked about here: send a video as video_url, or name a "
                "camera",
                param="messages",
                code="unsupported_content",
            )
        if not isinstance(part, TextPart) and message.role != "user":
            raise ApiError(400, "a video stands in a user's message", param="messages")
    return "\n".join(part.text for part in parts if isinstance(part, TextPart))
