"""The command line: importing a command's module adds it to the app."""

from costream.cli import bench, bench_signal, bench_speed, demo, evaluate, inspect, run, synth
from costream.cli.app import app, main

__all__ = [
    "app",
    "bench",
    "bench_signal",
    "bench_speed",
    "demo",
    "evaluate",
    "inspect",
    "main",
    "run",
    "synth",
]
