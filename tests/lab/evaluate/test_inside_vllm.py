"""What runs in vLLM's processes, apart from vLLM."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from costream.lab.evaluate.vllm_process import SCRIPT

IMPORTS_TORCHVISION = """
import torch, torchvision
print(torch.ops.torchvision.nms.default._schema)
"""


@pytest.mark.parametrize("file", sorted(SCRIPT.parent.glob("*.py")), ids=lambda file: file.name)
def test_nothing_of_costream_is_imported(file: Path) -> None:
    names = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
    assert names
    assert not [name for name in names if name.split(".")[0] == "costream"]


def test_a_torchvision_whose_library_does_not_fit_can_be_imported(tmp_path: Path) -> None:
    """As the real one does, the stand-in registers what an operator of its library makes."""
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "_C.so").write_bytes(b"built for another torch")
    (package / "__init__.py").write_text(
        "import torch\n"
        "@torch.library.register_fake('torchvision::nms')\n"
        "def meta_nms(dets, scores, iou_threshold): ...\n"
        "@torch.library.register_fake('torchvision::qnms')\n"
        "def meta_qnms(dets, scores, iou_threshold): ...\n"
    )
    path = os.pathsep.join([str(SCRIPT.parent), str(tmp_path)])
    result = subprocess.run(
        [sys.executable, "-c", IMPORTS_TORCHVISION],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Tensor dets, Tensor scores, float iou_threshold" in result.stdout, result.stderr
