"""What is known of the configuration's fields: for the JSON schema and the reference."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from costream.serve.config.model import (
    AlertConfig,
    CameraConfig,
    CommandConfig,
    EngineConfig,
    MqttConfig,
    QuestionConfig,
    QuestionOverride,
    ScheduleConfig,
    ServerConfig,
    ServiceConfig,
    StoreConfig,
    WebhookConfig,
)
from costream.serve.config.watched import AlertRule

PARTS: dict[type[BaseModel], str] = {
    ServiceConfig: "The file",
    CameraConfig: "A camera",
    QuestionConfig: "A question",
    QuestionOverride: "A question before one camera",
    AlertConfig: "Alerts",
    ScheduleConfig: "A period of a schedule",
    WebhookConfig: "A webhook",
    MqttConfig: "An MQTT broker",
    CommandConfig: "A command",
    EngineConfig: "The engine",
    ServerConfig: "The server",
    StoreConfig: "The store",
}
"""The parts of a file and what they are called, in the order of the reference."""

SCHEMA_URL = "https://json-schema.org/draft/2020-12/schema"


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """Returns what each field means, by its name in the file, as the docstrings say it."""
    said: dict[str, str] = {}
    for part in reversed(model.__mro__):
        if issubclass(part, BaseModel) and part.__doc__:
            said |= _attributes(part.__doc__)
    fields = model.model_fields.items()
    return {field.alias or name: said[name] for name, field in fields}


def summary(model: type[BaseModel]) -> str:
    """Returns the first paragraph of a part's docstring."""
    return " ".join((model.__doc__ or "").split("\n\n")[0].split())


def default_of(model: type[BaseModel], name: str) -> Any:
    """Returns the value that a field has where it is not given; of alerts, in the end."""
    if model is AlertConfig:
        return getattr(AlertRule(), {"for": "hold"}.get(name, name))
    field = next(f for n, f in model.model_fields.items() if (f.alias or n) == name)
    return field.get_default(call_default_factory=True, validated_data={})


def schema() -> dict[str, Any]:
    """Returns the JSON schema of a file, by which editors complete and check it."""
    found = ServiceConfig.model_json_schema(schema_generator=_Schema)
    for model in PARTS:
        _describe(found if model is ServiceConfig else found["$defs"][model.__name__], model)
    found["patternProperties"] = {"^x-": {"description": "Ignored: a place for anchors."}}
    return {"$schema": SCHEMA_URL, **found, "title": "CoStream's cameras.yaml"}


class _Schema(GenerateJsonSchema):
    """Leaves out titles, which repeat names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _describe(part: dict[str, Any], model: type[BaseModel]) -> None:
    part["description"] = summary(model)
    needed = part.get("required", ())
    part["type"] = "object" if needed or model is ServiceConfig else ["object", "null"]
    for name, meaning in meanings(model).items():
        kind = part["properties"][name]
        if name not in needed:
            kind = _or_nothing(kind)
        part["properties"][name] = {**kind, "description": meaning.replace("``", "")}


def _or_nothing(kind: dict[str, Any]) -> dict[str, Any]:
    """Returns the schema of a field that may be there with nothing behind it."""
    if "default" in kind and kind["default"] is None:
        return kind
    outside = {name: kind[name] for name in ("default",) if name in kind}
    inside = {name: value for name, value in kind.items() if name not in outside}
    return {"anyOf": [inside, {"type": "null"}], **outside}


def _attributes(doc: str) -> dict[str, str]:
    """Returns what the section "Attributes" of a docstring says of each."""
    _, _, section = doc.partition("Attributes:\n")
    found = re.findall(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", section, re.M)
    return {name: re.sub(r":class:`([^`]*)`", r"``\1``", " ".join(t.split())) for name, t in found}
