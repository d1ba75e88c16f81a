"""Values from the environment: ``${NAME}``, ``${NAME:-default}``, and ``$${`` for ``${``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from costream.errors import SettingsError

_PATTERN = re.compile(r"\$\$\{|\$\{(?P<inner>[^}]*)\}|\$\{")
_INNER = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?", re.S)


def is_substituted(text: str) -> bool:
    """Whether a text names something of the environment, or tries to."""
    return any(found[0] != "$${" for found in _PATTERN.finditer(text))


def substituted(text: str, environment: Mapping[str, str]) -> str:
    """Returns a text with what the environment holds put in. A default stands in for empty, too.

    Raises:
        SettingsError: a variable that has no default is not there, or the text is of another form.
    """
    return _PATTERN.sub(lambda found: _value(found, environment), text)


def _value(found: re.Match[str], environment: Mapping[str, str]) -> str:
    if found[0] == "$${":
        return "${"
    inner = _INNER.fullmatch(found["inner"] or "")
    if inner is None:
        raise SettingsError("write ${NAME} or ${NAME:-default}; $${ stands for ${ itself")
    value, default = environment.get(inner["name"]), inner["default"]
    if value is None and default is None:
        raise SettingsError(
            f"the environment has no variable {inner['name']}: set it, or write "
            f"${{{inner['name']}:-default}}"
        )
    return value or default or ""
