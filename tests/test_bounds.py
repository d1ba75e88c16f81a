"""What pyproject.toml admits, what constraints.txt pins, and how both ends are tried."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from scripts.oldest import is_asked_for, oldest

ROOT = Path(__file__).parent.parent

REQUIRED = {
    found.name: found.specifier
    for found in map(Requirement, requires("costream") or ())
    if is_asked_for(found, ["engine"])
}


def pinned() -> dict[str, str]:
    """Version by package, of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    found = (re.match(r"([\w.-]+)==([\w.]+)", line) for line in lines)
    return {match[1].lower().replace("_", "-"): match[2] for match in found if match}


@pytest.mark.parametrize("package", list(REQUIRED))
def test_the_pinned_version_is_one_that_is_admitted(package: str) -> None:
    assert REQUIRED[package].contains(pinned()[package])


@pytest.mark.parametrize("package", ["transformers", "av", "torch", "huggingface-hub"])
def test_what_private_behaviour_is_relied_on_of_is_bounded_at_both_ends(package: str) -> None:
    assert {spec.operator for spec in REQUIRED[package]} == {">=", "<"}


def test_the_oldest_version_is_the_lower_bound() -> None:
    assert oldest(Requirement("av>=17.1,<19")) == "av==17.1"


def test_the_service_is_tried_with_the_oldest_versions_too() -> None:
    found = [Requirement(text) for text in requires("costream") or ()]
    chosen = {one.name for one in found if is_asked_for(one, ["engine", "serve"])}
    assert {"av", "fastapi", "sqlalchemy", "paho-mqtt"} <= chosen
    assert not chosen & {"pytest", "bitsandbytes", "matplotlib"}
    assert "fastapi" not in {one.name for one in found if is_asked_for(one, [])}


@pytest.mark.parametrize("text", ["av", "av<19", "av>=17.1,>=18"])
def test_a_requirement_needs_one_lower_bound(text: str) -> None:
    with pytest.raises(ValueError, match="unpack"):
        oldest(Requirement(text))


def test_another_environment_sees_torch_and_nothing_else(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "scripts" / "link_torch.py", tmp_path], check=True)
    assert (tmp_path / "torch" / "__init__.py").is_file()
    (info,) = tmp_path.glob("*.dist-info")
    assert info.name == f"torch-{version('torch')}.dist-info"
    assert not list(tmp_path.glob("transformers*")) and not list(tmp_path.glob("numpy*"))
