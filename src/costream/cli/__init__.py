"""The command line: importing a command's module adds it to the app."""

from costream.cli import bench, run
from costream.cli.app import app, main

__all__ = ["app", "bench", "main", "run"]
