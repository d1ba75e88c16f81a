"""What ``costream serve --cluster`` checks before anything is loaded."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from costream.cli import serve
from costream.errors import SettingsError

SERVE = Path(serve.__file__).parent.parent / "serve"


def test_without_ray_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(serve, "find_spec", lambda name: None if name == "ray" else found(name))
    with pytest.raises(SettingsError, match=r"pip install 'costream\[cluster\]'"):
        serve.check_ray()


def test_a_cluster_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install 'costream[cluster]'")
    command = [sys.executable, "-m", "costream", "serve", "--demo", "--cluster", "127.0.0.1:1"]
    environment = {"PATH": "", "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("costream: there is no cluster of Ray's at 127.0.0.1:1")


def test_ray_is_imported_by_the_actors_and_the_line_to_them_alone() -> None:
    imports = {
        path.relative_to(SERVE).as_posix()
        for path in SERVE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        and any(name.split(".")[0] == "ray" for name in names_of(node))
    }
    assert imports == {
        "cluster/controller_actor.py",
        "cluster/link.py",
        "cluster/node_actor.py",
    }


def test_the_service_on_one_machine_knows_nothing_of_clusters() -> None:
    outside = [path for path in SERVE.rglob("*.py") if "cluster" not in path.parts]
    assert not [
        path
        for path in outside
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and "serve.cluster" in (node.module or "")
    ]


def names_of(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names]
