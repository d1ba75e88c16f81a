"""A language model begins from the trained weights of another family's: InternVL's from Qwen3-VL's.

They are the same class of layers. The vision encoders are not that close: Qwen3-VL's
sees what moves by pairs of frames, knows places by rotation, and is at a loss without either.
"""

from __future__ import annotations

import torch

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
    """Copies the language model of another into a model.

    Args:
        model: an InternVL whose language model is a Qwen3 of the source's width and depth.
        source: a trained Qwen3-VL.

    Raises:
        SettingsError: they are of other families, or differ in size.
    """
    if not isinstance(model, InternVLAdapter) or not isinstance(source, Qwen3VLAdapter):
        raise SettingsError("only an InternVL can begin from the weights of another, a Qwen3-VL")
    try:
        _copy_language(model, source)
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
