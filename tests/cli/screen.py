"""What a live display leaves on a terminal of a given size."""

from __future__ import annotations

import io

from rich.console import Console
from rich.live import Live

from costream.cli.live_display import LiveDisplay


class Screen:
    """A terminal's text, line by line, of the display's last drawing."""

    def __init__(self, width: int, height: int) -> None:
        self._size = width, height
        self.console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True)
        self.live = Live(console=self.console, auto_refresh=False)

    def lines(self, display: LiveDisplay) -> list[str]:
        """Returns what the display draws now, without styles."""
        width, height = self._size
        console = Console(file=io.StringIO(), width=width, height=height, color_system=None)
        console.print(display)
        text: str = console.file.getvalue()  # type: ignore[attr-defined]
        return text.splitlines()
