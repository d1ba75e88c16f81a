"""The nodes of a YAML file: its structure, before anything is made of it."""

from __future__ import annotations

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.tag import Tag

from costream.serve.config.problem import Problem

Node = Any
"""A node of ruamel.yaml, whose attributes differ by its ``id``."""

MOST_NODES = 100_000
"""Names and values of a file: those of 1000 cameras with two zones of 14 corners each fit."""

PLAIN = "!plain"
"""The tag of a scalar without quotes and tag."""


class Unreadable(Exception):
    """The file is no YAML that can be used at all.

    Attributes:
        problem: why.
    """

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(line, "", message)


class _BoundedComposer(Composer):
    """Gives a file up that holds too much, before the seconds are spent that reading it takes."""

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader=loader)
        self._count = 0

    def compose_node(self, parent: Any, index: Any) -> Node:
        self._count += 1
        if self._count > MOST_NODES:
            line = int(self.parser.peek_event().start_mark.line) + 1
            raise Unreadable(line, f"more than {MOST_NODES} values are too many to read")
        return super().compose_node(parent, index)


class _Resolver(VersionedResolver):
    """Leaves open what a scalar without quotes is: that hangs on the version of YAML."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        plain = kind is ScalarNode and implicit[0]
        return Tag(suffix=PLAIN) if plain else super().resolve(kind, value, implicit)


def composed(text: str) -> Node | None:
    """Returns the node of a file, or None of an empty one.

    An anchor's node is the same object wherever it is named.

    Raises:
        Unreadable: it is no YAML.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Resolver = _Resolver
    yaml.Composer = _BoundedComposer
    yaml.composer.warn_double_anchors = False
    try:
        return yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 0 if mark is None else mark.line + 1
        cause = str(error.problem or error.context)
    except ReaderError as error:
        line, cause = text.count("\n", 0, error.position) + 1, "a control character"
    except RecursionError:
        line, cause = 0, "values within values, too deep to be read"
    raise Unreadable(line, _explained(cause))


def line_of(node: Node) -> int:
    """Returns the line on which a node begins, from 1."""
    return int(node.start_mark.line) + 1


def is_merge(key: Node) -> bool:
    """Whether a key is ``<<``, which takes over what a mapping elsewhere holds."""
    return bool(key.id == "scalar" and key.value == "<<" and key.style is None)


def _explained(cause: str) -> str:
    """Returns what is wrong with YAML in words that help."""
    if "\\t" in cause:
        return "a tab stands where YAML takes spaces: indent by spaces"
    if "another document" in cause:
        return "a second document begins here (---): put everything into one"
    if "mapping values are not allowed" in cause:
        return (
            "a colon or an indentation that YAML can't read: put a text with ': ' in it in quotes, "
            "and begin fields of one level in the same column"
        )
    return f"this is no YAML: {cause}"
