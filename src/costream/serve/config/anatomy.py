"""What type the configuration has at a place: for messages, and to know what is secret."""

from __future__ import annotations

from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from costream.serve.config.problem import Path

_SECRET_FIELDS = frozenset({"url", "headers", "token", "secret", "password", "username"})


def fields_of(model: type[BaseModel]) -> dict[str, Any]:
    """Returns the fields of a part by the names they have in the file, with their types."""
    return {
        field.alias or name: field.rebuild_annotation()
        for name, field in model.model_fields.items()
    }


def part_at(model: type[BaseModel], path: Path, data: Any) -> type[BaseModel] | None:
    """Returns the part of the configuration that stands at a path, or None where none does.

    Args:
        model: the whole.
        path: where.
        data: the values, which say what kind of sink a sink is.
    """
    kind: Any = model
    for name in path:
        data = _item(data, name)
        kind = _inside(kind, name, data)
    found = _chosen(kind, data)
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def is_secret(path: Path) -> bool:
    """Whether a value at a path is not to be shown."""
    return any(name in _SECRET_FIELDS for name in path)


def _item(data: Any, name: str | int) -> Any:
    if isinstance(data, Mapping):
        return data.get(name)
    return data[name] if isinstance(data, list) and isinstance(name, int) else None


def _inside(kind: Any, name: str | int, data: Any) -> Any:
    """Returns the type of an item of something."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _chosen(fields_of(kind).get(str(name), Any), data)
    arguments = get_args(kind)
    return _chosen(arguments[-1], data) if arguments else Any


def _chosen(kind: Any, data: Any) -> Any:
    """Returns a type without annotations, of a union the one that the data is of."""
    if get_origin(kind) is Annotated:
        return _chosen(get_args(kind)[0], data)
    if get_origin(kind) not in (Union, UnionType):
        return kind
    choices = [_chosen(choice, data) for choice in get_args(kind) if choice is not type(None)]
    return next((choice for choice in choices if _fits(choice, data)), choices[0])


def _fits(kind: Any, data: Any) -> bool:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        tag = kind.model_fields.get("type")
        return tag is None or (isinstance(data, Mapping) and data.get("type") in _words(tag))
    if get_origin(kind) is dict:
        return isinstance(data, Mapping)
    return kind is not SecretStr


def _words(field: Any) -> tuple[Any, ...]:
    return get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
