"""The command line: importing a command's module adds it to the app."""

from costream.cli import (
    bench,
    bench_bitstream,
    bench_capacity,
    bench_peers,
    bench_signal,
    bench_speed,
    check,
    demo,
    doctor,
    evaluate,
    inspect,
    plan,
    run,
    serve,
    synth,
    train,
)
from costream.cli.app import app, main, run_command

__all__ = [
    "app",
    "bench",
    "bench_bitstream",
    "bench_capacity",
    "bench_peers",
    "bench_signal",
    "bench_speed",
    "check",
    "demo",
    "doctor",
    "evaluate",
    "inspect",
    "main",
    "plan",
    "run",
    "run_command",
    "serve",
    "synth",
    "train",
]
