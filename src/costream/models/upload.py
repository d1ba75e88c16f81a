"""The way of host memory to a device."""

from __future__ import annotations

import torch
from torch import Tensor


def upload(tensor: Tensor, device: torch.device) -> Tensor:
    """Returns a tensor of the host on a device, without waiting for what runs there.

    Args:
        tensor: on the host. One that lies on the device already is returned as it is.
        device: where it is wanted.
    """
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    # A copy from memory that may be swapped out waits until the device has read it. Torch keeps the
    # pinned copy until the device is done with it.
    return tensor.pin_memory().to(device, non_blocking=True)
