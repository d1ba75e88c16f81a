"""Which precision training multiplies matrices in."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from costream.lab.train.instead import Instead


def autocast(device: torch.device) -> torch.autocast:
    """Returns what has products taken in bfloat16, where the device has instructions for it.

    A CPU without any converts each value there and back: float32 is 10 to 20 times as fast then.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=_has_bfloat16(device))


def optimising(device: torch.device) -> AbstractContextManager[object]:
    """Returns what an optimiser takes its step in: PyTorch's Muon multiplies in bfloat16 alone.

    On a CPU without instructions for it, that takes longer than learning from a batch.
    """
    return nullcontext() if _has_bfloat16(device) else Instead(Tensor.bfloat16, _widen)


def _widen(tensor: Tensor) -> Tensor:
    # A copy, as bfloat16 would be: it is changed in place.
    return tensor.to(torch.float32, copy=True)


def _has_bfloat16(device: torch.device) -> bool:
    if device.type != "cpu":
        return True
    return torch.cpu._is_avx512_bf16_supported()
