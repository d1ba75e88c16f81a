"""A vision encoder begins with heads that look at neighbours, as a convolution does.

InternVL knows places by embeddings that are learnt. From random ones it takes long until a head
finds the patch beside its own, and from few frames it never does. So places begin as sines, in a
part of the hidden states that they have for themselves, and some heads of each layer with queries
and keys for which the patch at a fixed distance is the closest (Cordonnier et al., "On the
Relationship between Self-Attention and Convolutional Layers", 2020, show that such heads are one;
Trockman and Kolter, "Mimetic Initialization of Self-Attention Layers", 2023, that transformers gain
by beginning near to it). Patches begin as their lowest frequencies, of which pictures mostly are.
All of it is learnt further, as any weight.
"""

from __future__ import annotations

from itertools import product
from math import hypot, pi, sqrt

import torch
from torch import Tensor, nn

from costream.models.internvl import InternVLAdapter

SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1))
"""Where the first heads of a layer look: columns and rows, times the layer's distance."""

DISTANCES = (1, 2, 2, 3)
"""Patches by which they look away, layer by layer; farther layers as the last."""

SHARPNESS = 0.8
"""Scale of their queries and keys: how little they see of what lies around where they look."""

FASTEST = 2.0
"""Radians a patch of the fastest sine."""

FREQUENCIES = 12
"""Frequencies at most along a side of a patch."""

COLOURS = ((0.3, 0.6, 0.1), (-0.3, -0.4, 0.7), (0.7, -0.6, -0.1))
"""Of red, green and blue: brightness, and two differences of colour."""

BRIGHTNESS = 0.64
"""Share of the values of a patch that tell its brightness."""

GAIN = 0.7
"""Of random weights, times the root of how many values they are applied to."""


@torch.no_grad()
def look_at_neighbours(model: InternVLAdapter, seed: int) -> None:
    """Gives a model's vision encoder the weights to begin with.

    Args:
        model: an untrained model, the width of whose heads is a multiple of 4.
        seed: of the weights that are random.
    """
    draw = torch.Generator().manual_seed(seed)
    vision = model.vision
    _reset(vision, draw)
    hidden = int(vision.config.hidden_size)
    heads = int(vision.config.num_attention_heads)
    width = hidden // heads
    basis = torch.linalg.qr(torch.randn(hidden, hidden, generator=draw)).Q
    # Places fill as much as a head can tell, what patches show the rest.
    placed, shown = basis[:, :width], basis[:, width:]
    side = int(vision.config.image_size[0]) // model.patch
    speeds = torch.linspace(pi / side, FASTEST, width // 4)
    loud = sqrt(hidden - width)
    vision.embeddings.position_embeddings[0, 1:] = loud * _sines(side, speeds) @ placed.T
    project = vision.embeddings.patch_embeddings.projection
    project.weight.copy_(torch.einsum("hk,kcij->hcij", shown, _waves(shown.shape[1], model.patch)))
    for number, layer in enumerate(vision.encoder.layer):
        distance = DISTANCES[min(number, len(DISTANCES) - 1)]
        for head, (across, down) in enumerate(SIDES[:heads]):
            rows = slice(head * width, (head + 1) * width)
            turned = _turn(speeds, across * distance, down * distance)
            layer.attention.q_proj.weight[rows] = SHARPNESS * turned @ placed.T
            layer.attention.k_proj.weight[rows] = SHARPNESS * placed.T
        # What layers add leaves places alone at first.
        for part in (layer.attention.projection_layer, layer.mlp.fc2):
            part.weight.copy_(shown @ shown.T @ part.weight)


def _reset(vision: nn.Module, draw: torch.Generator) -> None:
    """Scales of layers and norms become 1, offsets 0, and matrices random."""
    for name, weight in vision.named_parameters():
        if weight.ndim == 1:
            plain = name.endswith(".bias") or ("lambda" not in name and "norm" not in name)
            nn.init.constant_(weight, 0.0 if plain else 1.0)
        elif weight.ndim == 2:
            weight.normal_(0, GAIN / sqrt(weight.shape[1]), generator=draw)
        else:
            nn.init.zeros_(weight)


def _sines(side: int, speeds: Tensor) -> Tensor:
    """Returns what tells the places of a square of patches, in rows: [patches, values], of norm 1.

    A value's cosines come before its sines, those of columns before those of rows.
    """
    turns = torch.arange(side)[:, None] * speeds
    along = torch.cat([turns.cos(), turns.sin()], dim=1) / sqrt(2 * len(speeds))
    columns, rows = along.repeat(side, 1), along.repeat_interleave(side, dim=0)
    return torch.cat([columns, rows], dim=1)


def _turn(speeds: Tensor, across: int, down: int) -> Tensor:
    """Returns the matrix that brings what tells a place to that of one some patches away."""
    blocks = []
    for patches in (across, down):
        cosines, sines = (speeds * patches).cos().diag(), (speeds * patches).sin().diag()
        blocks.append(torch.cat([torch.cat([cosines, -sines], 1), torch.cat([sines, cosines], 1)]))
    turned: Tensor = torch.block_diag(*blocks)  # type: ignore[no-untyped-call]
    return turned


def _waves(count: int, side: int) -> Tensor:
    """Returns waves of a patch, the lowest first: [count, colours, rows, cols].

    Pictures have less of a wave the faster it is: it is made as much louder.
    """
    most = min(side, FREQUENCIES)
    times = (torch.arange(side) + 0.5) / side
    bases = torch.stack([(pi * number * times).cos() for number in range(most)])
    bases /= bases.norm(dim=1, keepdim=True)
    order = sorted(product(range(most), repeat=2), key=lambda pair: hypot(*pair))
    bright = min(len(order), round(BRIGHTNESS * count))
    first = (count - bright) // 2
    waves = []
    for colour, part in zip(COLOURS, (bright, first, count - bright - first), strict=True):
        tint = torch.tensor(colour)
        for down, across in order[:part]:
            wave = torch.einsum("c,i,j->cij", tint / tint.norm(), bases[down], bases[across])
            waves.append(wave * 3 / side * (1 + hypot(down, across)))
    return torch.stack(waves)
