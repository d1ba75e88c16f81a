"""Imports point from a later station to an earlier one, in every folder."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "costream"

STATIONS = (
    "video",
    "edge",
    "pruning",
    "preprocessing",
    "models",
    "audit",
    "control",
    "engine",
    "lab.synth",
    "lab.inspect",
    "lab.evaluate",
    "lab.train",
    "serve",
    "cli",
)
"""In the order in which data flows; the laboratory stands behind the product."""

COMMON = ("errors", "printable", "registry", "checkpoints", "embedded", "turn")
"""Modules beside the stations that all of them may use, and that use none of them."""

FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("station", STATIONS)
def test_a_station_imports_from_itself_and_earlier_ones_alone(station: str) -> None:
    later = STATIONS[STATIONS.index(station) + 1 :]
    files = [file for file in FILES if _within(_name(file), station)]
    assert files
    wrong = [
        f"{_name(file)} imports {module}"
        for file in files
        for module in _imports(file)
        if any(_within(module, other) for other in later)
    ]
    assert not wrong


@pytest.mark.parametrize("name", COMMON)
def test_what_all_stations_use_imports_none(name: str) -> None:
    wrong = [m for m in _imports(PACKAGE / f"{name}.py") if any(_within(m, s) for s in STATIONS)]
    assert not wrong


def test_every_folder_with_code_is_a_station() -> None:
    folders = {_name(file.parent) for file in FILES if file.parent != PACKAGE}
    strangers = [f for f in folders if f != "lab" and not any(_within(f, s) for s in STATIONS)]
    assert not strangers


def _name(path: Path) -> str:
    """Returns a file or folder as a module of the package: ``video.stream``."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def _within(module: str, station: str) -> bool:
    return module == station or module.startswith(station + ".")


def _imports(file: Path) -> Iterator[str]:
    """Yields the modules of the package that a file imports, those within functions too."""
    for node in ast.walk(ast.parse(file.read_text())):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file} has a relative import"
            base = node.module or ""
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (n.removeprefix("costream.") for n in names if n.startswith("costream."))
