"""Any change of what answers shows in a model's fingerprint, and nothing else does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from costream.models import load_model
from costream.models.fingerprint import checksum, fingerprint


def taken(folder: Path) -> str:
    return fingerprint(load_model(str(folder), device="cpu", dtype=torch.float32))


@pytest.fixture
def copy(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


def test_a_copy_under_another_name_is_the_same(checkpoint: Path, copy: Path) -> None:
    (copy / "README.md").write_text("other words")
    (copy / "costream.json").write_text('{"window": 4}')
    assert taken(copy) == taken(checkpoint)


def _one_bit(folder: Path) -> None:
    (file,) = folder.glob("*.safetensors")
    weights = load_file(file)
    name = max(weights, key=lambda key: weights[key].numel())
    weights[name].view(-1).view(torch.uint8)[2] ^= 16
    save_file(weights, file, metadata={"format": "pt"})


def _template(folder: Path) -> None:
    (file,) = folder.glob("chat_template.*")
    file.write_text("{{ 1 }}" + file.read_text())


def _preprocessing(folder: Path) -> None:
    file = folder / "video_preprocessor_config.json"
    values = json.loads(file.read_text())
    values["image_mean"] = [0.4, 0.5, 0.5]
    file.write_text(json.dumps(values))


@pytest.mark.parametrize("change", [_one_bit, _template, _preprocessing])
def test_a_change_shows(checkpoint: Path, copy: Path, change: Callable[[Path], None]) -> None:
    change(copy)
    assert taken(copy) != taken(checkpoint)


def test_a_checksum_is_of_values_not_of_where_they_lie() -> None:
    tensor = torch.arange(24, dtype=torch.bfloat16).view(4, 6)
    assert checksum(tensor) == checksum(tensor.t().contiguous().t())
    assert checksum(tensor) != checksum(tensor.flip(0))
    assert checksum(torch.tensor(1.0)) != checksum(torch.tensor(2.0))
