"""Values against the model, with every error as a sentence at its place."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from costream.serve.config.anatomy import fields_of, is_secret, part_at
from costream.serve.config.model import NAME, PREFIX, TIME
from costream.serve.config.problem import Path, shown, suggestion

M = TypeVar("M", bound=BaseModel)

FORMS = {
    NAME: "is no name: use lower-case letters, digits, - and _, a letter or digit first",
    TIME: "is no time of day: write HH:MM, such as 08:00 or 22:30",
    PREFIX: "is no prefix of topics: write such as home/costream, without +, # and spaces",
}
"""What is said of a value that is not of a form."""

_KINDS = {
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping of names to values",
    "model_type": "a mapping of fields to values",
    "model_attributes_type": "a mapping of fields to values",
}
"""What is needed, by pydantic's types of errors."""

_BOUNDS = {
    "greater_than": ("gt", "not more than"),
    "greater_than_equal": ("ge", "less than"),
    "less_than": ("lt", "not less than"),
    "less_than_equal": ("le", "more than"),
}


def flaws(
    model: type[BaseModel], data: Any, hidden: Set[Path] = frozenset()
) -> Iterator[tuple[Path, str]]:
    """Yields where values don't fit a model, and why.

    Args:
        model: what they are to be.
        data: the values.
        hidden: where values are secret.
    """
    try:
        model.model_validate(data)
    except ValidationError as error:
        errors = error.errors()
    else:
        return
    for details in errors:
        path = _path(details, data)
        yield path, _sentence(details, path, model, data, hidden)


def fitting(model: type[M], data: Any, without: Set[Path]) -> M | None:
    """Returns the model of the values that fit, or None where too little does.

    Args:
        model: what they are to be.
        data: the values.
        without: where values are wrong; what needs them is left out with them.
    """
    left = copy.deepcopy(data)
    wrong = set(without)
    for _ in range(8):
        for path in {_removable(left, path) for path in wrong}:
            _remove(left, path)
        wrong = {path for path, _ in flaws(model, left)}
        if not wrong:
            return model.model_validate(left)
    return None


def _removable(data: Any, path: Path) -> Path:
    """Returns where the field stands that is wrong, or the part that misses it."""
    fields = 0
    for number, name in enumerate(path):
        if not _has(data, name):
            break
        fields = number + 1 if isinstance(data, Mapping) else fields
        data = data[name]
    return path[:fields]


def _remove(data: Any, path: Path) -> None:
    for name in path[:-1]:
        if not _has(data, name):
            return
        data = data[name]
    if path and _has(data, path[-1]):
        del data[path[-1]]


def _has(data: Any, name: str | int) -> bool:
    if isinstance(data, Mapping):
        return name in data
    return isinstance(data, list) and isinstance(name, int) and name < len(data)


def _path(error: ErrorDetails, data: Any) -> Path:
    """Returns where an error is: pydantic names the members of unions as well."""
    path: list[str | int] = []
    places = error["loc"]
    for number, name in enumerate(places):
        missing = error["type"] == "missing" and number == len(places) - 1
        if _has(data, name):
            data = data[name]
        elif not missing:
            continue
        path.append(name)
    if error["type"].startswith("union_tag"):
        path.append("type")
    return tuple(path)


def _sentence(
    error: ErrorDetails, path: Path, model: type[BaseModel], data: Any, hidden: Set[Path]
) -> str:
    kind = error["type"]
    if kind == "extra_forbidden":
        part = part_at(model, path[:-1], data)
        known = [] if part is None else list(fields_of(part))
        return f"there is no such field{suggestion(str(path[-1]), known)}"
    if kind == "missing":
        return "it is missing" if isinstance(path[-1], str) else "a point is [x, y]"
    secret = path in hidden or is_secret(path)
    return _SENTENCES.get(kind, _other)(error, "this" if secret else shown(error["input"]))


Sentence = Callable[[ErrorDetails, str], str]


def _literal(error: ErrorDetails, value: str) -> str:
    choices = re.findall(r"'([^']*)'", error["ctx"]["expected"])
    return f"{value} is not one of {', '.join(choices)}"


def _tag(error: ErrorDetails, value: str) -> str:
    choices = re.findall(r"'([^']*)'", error["ctx"]["expected_tags"])
    return f"{error['ctx']['tag']!r} is not one of {', '.join(choices)}"


def _no_tag(error: ErrorDetails, value: str) -> str:
    return "it is missing: choose webhook, mqtt or command"


def _form(error: ErrorDetails, value: str) -> str:
    return f"{value} {FORMS[error['ctx']['pattern']]}"


def _length(error: ErrorDetails, value: str) -> str:
    limits = error["ctx"]
    least, most = limits.get("min_length"), limits.get("max_length")
    if error["type"] == "string_too_short":
        return "it is empty"
    if least is not None:
        return f"at least {least} {'is' if least == 1 else 'are'} needed"
    return f"it is too long: at most {most}{' characters' if 'string' in error['type'] else ''}"


def _bound(error: ErrorDetails, value: str) -> str:
    key, words = _BOUNDS[error["type"]]
    return f"{value} is {words} {error['ctx'][key]:g}"


def _value_error(error: ErrorDetails, value: str) -> str:
    return f"{value}: {error['ctx']['error']}"


def _other(error: ErrorDetails, value: str) -> str:
    needed = _KINDS.get(error["type"])
    if needed is None:
        return error["msg"][:1].lower() + error["msg"][1:]
    quotes = needed == "text" and isinstance(error["input"], (bool, int, float))
    return f"{needed} is needed, not {value}{': write it in quotes' if quotes else ''}"


_SENTENCES: dict[str, Sentence] = {
    "literal_error": _literal,
    "union_tag_invalid": _tag,
    "union_tag_not_found": _no_tag,
    "string_pattern_mismatch": _form,
    "string_too_short": _length,
    "string_too_long": _length,
    "too_short": _length,
    "too_long": _length,
    "value_error": _value_error,
    **dict.fromkeys(_BOUNDS, _bound),
}
