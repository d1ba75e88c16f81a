"""Lets torchvision be imported beside a torch that its compiled operators don't fit.

Python runs this file at the start of every process that has its folder on ``PYTHONPATH``, and so in
those that vLLM starts. torchvision registers two operators of its library as it is imported; the
CPU build of torch can't load the library that the registry ships, and vLLM's processors need no
more of it than its import.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch


def declare_operators() -> Any:
    """Declares torchvision's operators where its own library can't: while what it returns lives."""
    found = find_spec("torchvision")
    if found is None or found.origin is None:
        return None
    torch_ops: Any = torch.ops
    try:
        torch_ops.load_library(str(Path(found.origin).parent / "_C.so"))
    except OSError:
        library: Any = torch.library.Library
        declared = library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            declared.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return declared
    return None


DECLARED = declare_operators()
