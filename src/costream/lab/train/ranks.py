"""Training in several processes, started by ``torchrun``: each learns from its part of a batch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn

Item = TypeVar("Item")


def join() -> None:
    """Joins the other processes, if there are any."""
    if world() > 1 and not distributed.is_initialized():
        distributed.init_process_group("gloo")


def rank() -> int:
    """This process's number, from 0."""
    return int(os.environ.get("RANK", "0"))


def world() -> int:
    """How many processes there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def share(items: Sequence[Item]) -> Sequence[Item]:
    """Returns this process's part of some items."""
    return items[rank() :: world()]


def average(values: Tensor) -> None:
    """Averages values, as many in each process, over all processes, in place."""
    if world() > 1:
        distributed.all_reduce(values)
        values /= world()


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Averages the gradients of all processes, which have learnt from batches of one size."""
    if world() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    average(flat)
    parts = torch.split(flat, [gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def wait() -> None:
    """Waits for the other processes."""
    if world() > 1:
        distributed.barrier()
