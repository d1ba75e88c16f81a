"""A model of one family begins from the trained weights of another: InternVL from Qwen3-VL.

Their language models are the same class of layers, and so are the layers of their vision encoders
but for how these know places. What has no counterpart keeps its random weights: positions, the
class token, and the projector, whose layers are of other widths than the merger's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from costream.errors import SettingsError
from costream.models import ModelAdapter
from costream.models.internvl import InternVLAdapter
from costream.models.qwen3_vl import Qwen3VLAdapter

PIECES = {
    "<img>": "<|vision_start|>",
    "</img>": "<|vision_end|>",
    "<IMG_CONTEXT>": "<|video_pad|>",
    "<video>": "<|video_pad|>",
}
"""Special tokens of InternVL, and those of Qwen3-VL that stand in their place."""


@torch.no_grad()
def warm_start(model: ModelAdapter, source: ModelAdapter) -> None:
    """Copies what a model can take over from another into it.

    Of the vision encoder that is the patch embedding, which sees a patch as the source sees it
    resized in two frames that are the same, and all layers, whose scales become 1. Of the language
    model it is all.

    Args:
        model: an InternVL of the source's widths and depths, with a Qwen3 language model.
        source: a trained Qwen3-VL.

    Raises:
        SettingsError: they are of other families, or differ in size.
    """
    if not isinstance(model, InternVLAdapter) or not isinstance(source, Qwen3VLAdapter):
        raise SettingsError("only an InternVL can begin from the weights of another, a Qwen3-VL")
    try:
        _copy_language(model, source)
        _copy_layers(model, source)
        _copy_patch_embedding(model, source)
    except (RuntimeError, ValueError) as error:
        raise SettingsError(
            f"a model can begin from the weights of one of its own sizes only: {error}"
        ) from error


def _copy_language(model: InternVLAdapter, source: Qwen3VLAdapter) -> None:
    own, known = model.tokenizer.get_vocab(), source.tokenizer.get_vocab()
    begun = model.language.embed_tokens.weight.clone()
    weights = source.language.state_dict()
    embeddings = weights.pop("embed_tokens.weight")
    for piece, number in own.items():
        at = known.get(PIECES.get(piece, piece))
        if at is not None:
            begun[number] = embeddings[at]
    model.language.load_state_dict({**weights, "embed_tokens.weight": begun})


def _copy_layers(model: InternVLAdapter, source: Qwen3VLAdapter) -> None:
    for layer, block in zip(model.vision.encoder.layer, source.vision.blocks, strict=True):
        attention = layer.attention
        asked = attention.q_proj, attention.k_proj, attention.v_proj
        for part, weight, bias in zip(
            asked, block.attn.qkv.weight.chunk(3), block.attn.qkv.bias.chunk(3), strict=True
        ):
            part.weight.copy_(weight)
            part.bias.copy_(bias)
        for own, other in (
            (layer.layernorm_before, block.norm1),
            (layer.layernorm_after, block.norm2),
            (attention.projection_layer, block.attn.proj),
            (layer.mlp.fc1, block.mlp.linear_fc1),
            (layer.mlp.fc2, block.mlp.linear_fc2),
        ):
            own.load_state_dict(other.state_dict())
        nn.init.ones_(layer.lambda_1)
        nn.init.ones_(layer.lambda_2)


def _copy_patch_embedding(model: InternVLAdapter, source: Qwen3VLAdapter) -> None:
    own = model.vision.embeddings.patch_embeddings.projection
    other = source.vision.patch_embed.proj
    # [hidden, colour, row, col], of values on the scale 0..1.
    kernel = other.weight.sum(dim=2) / _by_colour(source.preprocessing.std)
    bias = other.bias - (kernel * _by_colour(source.preprocessing.mean)).sum((1, 2, 3))
    kernel = _widened(kernel, model.patch)
    own.bias.copy_(bias + (kernel * _by_colour(model.preprocessing.mean)).sum((1, 2, 3)))
    own.weight.copy_(kernel * _by_colour(model.preprocessing.std))


def _widened(kernel: Tensor, side: int) -> Tensor:
    """Returns the kernel that does to a patch what this one does to it once it is resized."""
    # [pixels of the patch, pixels of the kernel]
    shrink = functional.interpolate(torch.eye(side)[None], kernel.shape[-1], mode="linear")[0]
    return shrink @ kernel @ shrink.T


def _by_colour(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values)[:, None, None]
