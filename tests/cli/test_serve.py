"""`costream serve`: what it needs before it listens."""

from __future__ import annotations

import subprocess
import sys


def test_the_page_listens_before_torch_is_imported() -> None:
    code = (
        "import sys\n"
        "import costream.cli.loading, costream.serve.demo, costream.serve.service\n"
        "import costream.serve.api.app, costream.serve.api.chat\n"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
