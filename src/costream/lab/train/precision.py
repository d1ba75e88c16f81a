"""Which precision training multiplies matrices in."""

from __future__ import annotations

import torch


def autocast(device: torch.device) -> torch.autocast:
    """Returns what has products taken in bfloat16, where the device has instructions for it.

    A CPU without any converts each value there and back: float32 is 10 to 20 times as fast then.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=_has_bfloat16(device))


def _has_bfloat16(device: torch.device) -> bool:
    if device.type != "cpu":
        return True
    return torch.cpu._is_avx512_bf16_supported()
