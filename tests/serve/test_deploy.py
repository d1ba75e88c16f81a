"""What is handed out to run the service with."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from costream.serve.config.load import read_config

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not installed")
    text = (DEPLOY / "costream.service").read_text()
    unit = tmp_path / "costream.service"
    # What it starts is not installed here.
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.M))
    done = subprocess.run([verify, "verify", unit], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_image_is_built_of_what_there_is() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.M)
    sources = [source for line in copied for source in line.split()]
    admitted = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert "pyproject.toml" in sources
    for source in sources:
        assert (ROOT / source).exists()
        assert f"!{source}" in admitted


def test_compose_builds_that_image() -> None:
    compose = YAML(typ="safe").load(DEPLOY / "compose.yaml")
    for service in compose["services"].values():
        build = service["build"]
        assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()
        assert service["read_only"] and service["cap_drop"] == ["ALL"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])


@pytest.mark.parametrize("name", ["serving.md", "configuration.md"])
def test_files_in_the_documents_are_right(name: str, tmp_path: Path) -> None:
    text = (ROOT / "docs" / name).read_text()
    for block in re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S):
        if "trigger:" in block:  # Home Assistant's
            continue
        file = tmp_path / "cameras.yaml"
        file.write_text(block)
        known = {"DOOR_PASSWORD": "x", "MQTT_PASSWORD": "x"}
        problems = [
            problem
            for problem in read_config(file, known).problems
            if "can't read the file" not in problem.message
        ]
        assert problems == []
