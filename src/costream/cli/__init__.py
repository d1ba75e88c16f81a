"""The command line: importing a command's module adds it to the app."""

from costream.cli.app import app, main, run_command

__all__ = ["app", "main", "run_command"]
