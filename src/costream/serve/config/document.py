"""A YAML file as plain values, with the line of each of them.

Values are those of YAML 1.2, where ``on``, ``no`` and ``22:00`` are text and ``010`` is ten,
whatever version the file states. Anchors and merge keys work, as far as what they come to is
bounded. A tag ``!file`` takes a value from a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from costream.errors import SettingsError
from costream.serve.config.nodes import PLAIN, Node, Unreadable, composed, is_merge, line_of
from costream.serve.config.problem import Path, Problem, dotted
from costream.serve.config.substitution import is_substituted, substituted
from costream.video.naming import plain_reason

MOST_VALUES = 200_000
"""Values that a file may come to once its anchors are put in."""

MOST_SECRET = 65536
"""Bytes of a file that a value is taken from."""

_DEEPEST = 40
_STANDARD = "tag:yaml.org,2002:"
_TAGS = {
    "mapping": (f"{_STANDARD}map",),
    "sequence": (f"{_STANDARD}seq",),
    "scalar": (PLAIN, "!file", *(f"{_STANDARD}{kind}" for kind in ("str", "int", "float"))),
}
"""Tags by kinds of nodes; ours is that of a scalar without quotes and tag."""
_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]{1,40}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


@dataclass
class Document:
    """What a file says.

    Attributes:
        value: its values.
        lines: the line of each, from 1.
        hidden: where values come from the environment or a file: they are not to be shown.
        flawed: where ``problems`` are.
        problems: what was found so far.
    """

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    hidden: set[Path] = field(default_factory=set)
    flawed: set[Path] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """Returns the line of a value, or of the nearest around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def add(self, path: Path, message: str, line: int | None = None) -> None:
        """Notes a problem."""
        self.flawed.add(path)
        problem = Problem(self.line(path) if line is None else line, dotted(path), message)
        if problem not in self.problems:
            self.problems.append(problem)


def read_document(text: str, folder: FilePath, environment: Mapping[str, str]) -> Document:
    """Reads YAML.

    Args:
        text: the file's.
        folder: that relative names of files begin at.
        environment: what ``${NAME}`` stands for.

    Raises:
        Unreadable: it is no YAML, or no mapping.
    """
    node = composed(text)
    if node is None:
        raise Unreadable(0, "it is empty: name at least a camera under cameras:")
    if not isinstance(node.value, list) or node.id != "mapping":
        raise Unreadable(line_of(node), "fields such as cameras: are needed at the top")
    return _Builder(folder, environment).document(node)


class _Builder:
    """Makes values of nodes, and notes what is wrong with them."""

    def __init__(self, folder: FilePath, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._found = Document()
        self._count = 0
        self._within: list[int] = []

    def document(self, node: Node) -> Document:
        self._found.value = self._value(node, ())
        return self._found

    def _value(self, node: Node, path: Path) -> Any:
        self._found.lines[path] = line_of(node)
        self._count += 1
        if self._count > MOST_VALUES:
            raise Unreadable(
                line_of(node), "what its anchors (&) are put in for is too much to read"
            )
        if id(node) in self._within:
            raise Unreadable(line_of(node), "an anchor (&) stands within itself")
        if len(self._within) >= _DEEPEST:
            raise Unreadable(line_of(node), "values within values, too deep to be read")
        self._within.append(id(node))
        value = self._of_kind(node, path)
        self._within.pop()
        return value

    def _of_kind(self, node: Node, path: Path) -> Any:
        if node.tag not in _TAGS[node.id]:
            tag = node.tag.replace(_STANDARD, "!!")
            self._found.add(path, f"there is no tag {tag} for this: !file is for text")
            return None
        if node.id == "mapping":
            return self._mapping(node, path)
        if node.id == "sequence":
            return [self._value(item, (*path, n)) for n, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: Node, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for base in _bases(node):
            if base.id == "mapping":
                merged = self._value(base, path)
                found = {**merged, **found}
            else:
                self._found.add(
                    path, "<<: takes what an anchor names, such as *door", line_of(base)
                )
        self._found.lines[path] = line_of(node)
        first: dict[str, int] = {}
        for key, value in node.value:
            if not is_merge(key) and not (path == () and str(key.value).startswith("x-")):
                self._entry(key, value, path, found, first)
        return found

    def _entry(
        self, key: Node, value: Node, path: Path, found: dict[str, Any], first: dict[str, int]
    ) -> None:
        if key.id != "scalar":
            self._found.add(path, "a name is needed before the colon", line_of(key))
            return
        name = str(key.value)
        if name in first:
            again = f"it is given twice, first in line {first[name]}: keep one"
            self._found.add((*path, name), again, line_of(key))
        first.setdefault(name, line_of(key))
        found[name] = self._value(value, (*path, name))
        self._found.lines[(*path, name)] = line_of(key)

    def _scalar(self, node: Node, path: Path) -> Any:
        text = str(node.value)
        if is_substituted(text) or node.tag == "!file":
            self._found.hidden.add(path)
        try:
            text = substituted(text, self._environment)
            if node.tag == "!file":
                return read_secret(self._folder / text)
        except SettingsError as error:
            self._found.add(path, str(error), line_of(node))
            return text
        string = node.style is not None or node.tag == f"{_STANDARD}str"
        return text if string else _plain(text)


def _bases(node: Node) -> Iterator[Node]:
    """Yields what is merged into a mapping, the strongest first."""
    for key, value in node.value:
        if is_merge(key):
            yield from value.value if value.id == "sequence" else [value]


def _plain(text: str) -> Any:
    """Returns what a text without quotes stands for in YAML 1.2."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if re.fullmatch(r"0o[0-7]{1,20}|0x[0-9a-fA-F]{1,16}", text):
        return int(text, 0)
    return text


def read_secret(path: FilePath) -> str:
    """Returns what a file holds, without the line end at its end.

    Raises:
        SettingsError: it can't be read, is larger than a secret is, or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_SECRET + 1)
        if len(data) > MOST_SECRET:
            raise SettingsError(f"the file {path} is larger than a secret is: name another")
        return data.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise SettingsError(f"the file {path} is not text in UTF-8") from None
    except (OSError, ValueError) as error:
        raise SettingsError(f"can't read the file {path}: {plain_reason(error)}") from None
