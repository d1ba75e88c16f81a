from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.serve.waiting import until

KEEPS_A_POOL = """
import os, time
from costream.lab.synth.pool import process_pool

if __name__ == "__main__":
    pool = process_pool(1)
    print(pool.submit(os.getpid).result(), flush=True)
    time.sleep(600)
"""


def test_processes_of_a_pool_end_where_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "keeps_a_pool.py"
    script.write_text(KEEPS_A_POOL)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        worker = Path("/proc", parent.stdout.readline().strip())
        assert worker.exists()
        parent.kill()
    until(lambda: not worker.exists())
