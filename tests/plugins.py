"""Small packages as an installer leaves them, with entry points, in a folder of a test."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent


def install(folder: Path, package: str, code: str, entries: dict[str, dict[str, str]]) -> None:
    """Writes a package of one module and its metadata.

    Args:
        folder: where packages are, to be on the path.
        package: its name, and its module's.
        code: the module's.
        entries: by group, the value of each entry point by its name.
    """
    (folder / f"{package}.py").write_text(dedent(code))
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [
        line
        for group, points in entries.items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in points.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
