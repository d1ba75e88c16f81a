"""``python -m costream``, and where the command ``costream`` begins.

A process of ours imports the program's main module again while it starts: this one costs nothing.
"""

from __future__ import annotations


def main() -> None:
    """The command ``costream``: see :func:`costream.cli.app.main`."""
    from costream.cli import main as run

    run()


if __name__ == "__main__":
    main()
