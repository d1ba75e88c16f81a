"""``costream``: the commands, and how errors leave them.

Torch and transformers take seconds to import, so the commands import what they run inside.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

import typer

from costream import __version__
from costream.cli.console import open_console
from costream.errors import (
    ConfigError,
    CoStreamError,
    SettingsError,
    SourceLostError,
    SupersededError,
)
from costream.printable import printable
from costream.video.naming import masked, plain_reason

LOST = 3
"""Exit status of a command whose live source stayed away."""

SUPERSEDED = 4
"""Exit status of an edge whose place another one has taken."""

ENGINE = frozenset(
    {"PIL", "huggingface_hub", "packaging", "pydantic", "safetensors", "tokenizers", "torch"}
    | {"transformers"}
)
"""Modules that come with ``costream[engine]``, and not by themselves."""

app = typer.Typer(
    help="Watch cameras with vision-language models, guided by the video codec.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback(invoke_without_command=True)
def root(version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    """Watch cameras with vision-language models, guided by the video codec."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """The command ``costream``: runs it and ends the process with its status."""
    leave(run_command())


def leave(status: int) -> NoReturn:
    """Ends the process; where threads are left that may sit in FFmpeg, without the interpreter.

    While FFmpeg waits, PyAV takes the interpreter's lock ten times a second. Taking it while the
    interpreter is torn down is a segmentation fault (seen with Python 3.11 and PyAV 18.1). What was
    registered to be done at exit is done first.
    """
    others = [t for t in threading.enumerate() if t is not threading.main_thread()]
    if not any(thread.daemon for thread in others):
        sys.exit(status)
    for thread in others:
        if not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def run_command() -> int:
    """Runs the command line and returns its status.

    Errors of ours are one sentence on standard error and status 1. Status 3 says that a camera was
    lost, status 4 that another edge sends it.
    """
    _check_output()
    _write_in_any_locale()
    quiet_libraries()
    try:
        load_commands(sys.argv[1:])
        app()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    except ModuleNotFoundError as error:
        if not _is_of_the_engine(error):
            raise
        _complain(SettingsError(f"this needs {error.name}: pip install 'costream[engine]'"))
        return 1
    except BrokenPipeError:
        # Whoever read our output has gone; what is left to flush would only fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except SourceLostError as error:
        _complain(error)
        return LOST
    except SupersededError as error:
        _complain(error)
        return SUPERSEDED
    except (CoStreamError, OSError) as error:
        _complain(error)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def load_commands(arguments: Sequence[str]) -> None:
    """Adds the commands to the app; the edge's alone where it is the one that is wanted.

    It runs on small machines, and is there sooner by itself. Where nothing else is installed there,
    it is the only one as well.

    Raises:
        ModuleNotFoundError: another command is wanted, and what it needs is not installed.
    """
    edge = arguments[:1] == ["edge"]
    try:
        import_module("costream.cli." + ("edge" if edge else "commands"))
    except ModuleNotFoundError as error:
        if not _is_of_the_engine(error) or arguments[:1] not in ([], ["--help"], ["--version"]):
            raise
        import_module("costream.cli.edge")


def _is_of_the_engine(error: ModuleNotFoundError) -> bool:
    """Whether what is missing comes with the engine, and not by itself."""
    return (error.name or "").partition(".")[0] in ENGINE


def _complain(error: CoStreamError | OSError) -> None:
    """Writes an error as one sentence: ours as it is, the system's with the file it is about.

    What is wrong with a configuration file may be several, a line each.
    """
    sentences = error.problems if isinstance(error, ConfigError) else [str(error)]
    if isinstance(error, OSError):
        about = "go on" if error.filename is None else f"use {masked(str(error.filename))}"
        sentences = [f"can't {about}: {plain_reason(error)}"]
    console = open_console(stderr=True)
    for sentence in sentences:
        console.print(f"costream: {printable(sentence)}", style="red", soft_wrap=True)


class _Formatter(logging.Formatter):
    """One line a warning, whatever is in the names that it speaks of."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = printable(record.message)
        return super().formatMessage(record)


def _check_output() -> None:
    """Ends the command where standard output is closed: the next file would take its place."""
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115  # for the process
    if sys.stdout is None:
        sys.stderr.write("costream: standard output is closed: send it to a file or /dev/null\n")
        sys.exit(1)


def _write_in_any_locale() -> None:
    """Escapes what the encoding of an output has no character for, instead of failing there."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class _StandardError(logging.Handler):
    """Writes to standard error as it is now: a live display puts itself in between."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a record's line."""
        sys.stderr.write(self.format(record) + "\n")
        sys.stderr.flush()


def quiet_libraries() -> None:
    """Leaves standard error to our own warnings."""
    handler = _StandardError()
    handler.setFormatter(_Formatter("costream: %(message)s"))
    logging.getLogger("costream").addHandler(handler)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
