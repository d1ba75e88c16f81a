"""Runs command lines in this process, one after the other, and tells of each what it came to.

Read from standard input: a JSON list of command lines. Written to standard output: of each, its
status, what it wrote, and which of the heavy libraries are loaded after it.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from unittest.mock import patch

from costream.cli import run_command

HEAVY = ("torch", "transformers", "tokenizers", "huggingface_hub", "matplotlib")


def outcome(args: list[str]) -> dict[str, object]:
    """Runs one command line as the command does."""
    output, errors = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", ["costream", *args]),
        contextlib.redirect_stderr(errors),
        contextlib.redirect_stdout(output),
    ):
        status = run_command()
    loaded = [name for name in HEAVY if name in sys.modules]
    written = {"out": output.getvalue(), "err": errors.getvalue()}
    return {"status": status, **written, "loaded": loaded}


if __name__ == "__main__":
    json.dump([outcome(args) for args in json.load(sys.stdin)], sys.stdout)
