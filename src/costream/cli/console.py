"""The console that commands print to."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text


def open_console(*, stderr: bool = False) -> Console:
    """Returns a console that shows strings as they are: brackets and colons mean nothing.

    Names of files and cameras may hold anything. What is to have a style is a
    :class:`~rich.text.Text` (:func:`dim`) or printed with one, and what comes from outside goes
    through :func:`~costream.printable.printable`.
    """
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def dim(text: str) -> Text:
    """Returns text that is less to look at."""
    return Text(text, style="dim")
