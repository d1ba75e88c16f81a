"""A fingerprint of loaded weights: equal where two models answer alike, whatever they are called.

It is taken of what was loaded and not of files, so it is the same for a hub's name, a directory and
a copy of it, and no change of a single bit escapes it. Every tensor is read once, on all cores: one
core hashes about 1 GB a second, so that 60 GB take a minute or less, beside hours of answers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from costream.models.base import ModelAdapter
from costream.video import Picture

_NOT_WEIGHTS = ("_name_or_path", "transformers_version")
_DIGITS = 16


def fingerprint(model: ModelAdapter) -> str:
    """Returns 16 hexadecimal digits that tell apart models whose answers may differ.

    Weights, configuration, vocabulary, chat template and preprocessing go into it; the device
    doesn't.
    """
    digest = hashlib.sha256()
    for part in _parts(model):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:_DIGITS]


def _parts(model: ModelAdapter) -> Iterator[str]:
    config = model.model.config.to_dict()
    yield json.dumps({k: v for k, v in config.items() if k not in _NOT_WEIGHTS}, default=str)
    yield json.dumps(sorted(model.tokenizer.get_vocab().items()))
    yield str(model.tokenizer.chat_template)
    yield str(model.question("Is it?").ids.tolist())
    yield _preprocessing(model)
    tensors = sorted(model.model.state_dict().items())
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        # Hashing leaves Python alone, so that threads hash at the same time.
        sums = threads.map(checksum, [tensor for _, tensor in tensors])
        for (name, tensor), found in zip(tensors, sums, strict=True):
            yield f"{name} {tuple(tensor.shape)} {tensor.dtype} {found}"


def _preprocessing(model: ModelAdapter) -> str:
    """Returns what becomes of a picture, which says all that the configuration may."""
    ramp = np.arange(96 * 128 * 3, dtype=np.uint32).reshape(96, 128, 3) * 2654435761
    picture = Picture.from_rgb((ramp >> 24).astype(np.uint8))
    geometry = model.geometry(picture.width, picture.height, model.temporal_patch, None)
    return f"{geometry} {checksum(model.pixels([picture], geometry))}"


def checksum(tensor: Tensor) -> str:
    """Returns the SHA-256 of a tensor's values, in hexadecimal digits."""
    data = tensor.detach().cpu().contiguous().view(-1).view(torch.uint8)
    return hashlib.sha256(data.numpy().data).hexdigest()
