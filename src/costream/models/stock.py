"""What all families share that stand on stock ``transformers`` classes: the language side.

Such a class holds its language model as ``model.language_model`` and its head as ``lm_head``. A
family adds its vision encoder, its preprocessing and the layout of a frame.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PretrainedConfig, PreTrainedTokenizerBase

from costream.errors import ModelError
from costream.models.base import ModelAdapter
from costream.models.chat import ChatFormat, between, mark
from costream.models.checkpoint import answer_ids, stop_ids
from costream.models.decoder import Decoder
from costream.models.encoder import VisualTokens
from costream.models.flops import attention_flops, linear_flops
from costream.models.language import Attention, KVShape
from costream.models.layout import Segment
from costream.models.quantised import plain_config, quantisation
from costream.models.rotation import Rotation
from costream.models.spread import spread
from costream.models.tokens import QUESTION, Tokens
from costream.preprocessing import FrameGeometry
from costream.turn import Turn

logger = logging.getLogger("costream")


class StockAdapter(ModelAdapter):
    """A family on a stock class. Subclasses see the video: they encode and lay out a frame.

    Args:
        model: the stock class with its weights, on its device.
        tokenizer: the checkpoint's, with a chat template.
        video: what the chat template writes where a video stands.

    Raises:
        ModelError: the template does not place a video before text, or the language model does
            not let every token look at all earlier ones.
    """

    axes: ClassVar[int] = 1
    """Axes of the rotary positions."""

    def __init__(self, model: Any, tokenizer: PreTrainedTokenizerBase, video: str) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.language = model.model.language_model
        self.text_config: PretrainedConfig = model.config.text_config
        if "sliding_attention" in (getattr(self.text_config, "layer_types", None) or ()):
            raise ModelError("language models with sliding-window attention are not supported")
        self.parameters = _parameters(model)
        self.kv_shape = _kv_shape(model)
        self.yes_ids, self.no_ids = (ids.to(model.device) for ids in answer_ids(tokenizer))
        self.eos_ids = stop_ids(model.generation_config, tokenizer)
        self.tokens = Tokens(tokenizer)
        chat = ChatFormat.of(tokenizer, video)
        self._before, self._after = chat.before, chat.after
        self.barred_ids = self._close_thought(chat.thought)
        _hold_frequencies(self.language.rotary_emb)
        heads = int(self.text_config.num_attention_heads)
        self.decoder = Decoder(self.language, heads, self.kv_shape.head_dim)

    def prompt(self) -> Segment:
        return self.text(self.ids(self._before))

    def question(self, text: str) -> Segment:
        return self.text(self.tokens.encode(self._after, text))

    def conversation(self, turns: Sequence[Turn]) -> Segment:
        # Around what was said stands what a single question has: an answer begins as one to that.
        head, tail = self._after.partition(QUESTION)[0], self._after.rpartition(QUESTION)[2]
        said = {mark(number): turn.text for number, turn in enumerate(turns)}
        text = f"{head}{between(self.tokenizer, turns)}{tail}"
        return self.text(self.tokens.encode_filled(text, said))

    def text(self, ids: Sequence[int]) -> Segment:
        tokens = torch.tensor(list(ids), dtype=torch.int64)
        positions = torch.arange(len(tokens)).expand(self.axes, -1)
        return Segment(tokens, torch.zeros_like(tokens, dtype=torch.bool), positions, len(tokens))

    def ids(self, text: str) -> list[int]:
        """Returns the tokens of a piece of text of ours, control tokens as they stand in it."""
        return self.tokens.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        return self.tokens.decode(ids)

    def start(self, position: int) -> Tensor:
        return torch.full((self.axes, 1), position)

    def text_start(self, first: int, last: int, end: int, geometry: FrameGeometry) -> Tensor:
        return self.start(end)

    def embed(self, segment: Segment, visual: VisualTokens | None) -> Tensor:
        embeds: Tensor = self.language.embed_tokens(segment.ids.to(self.kv_shape.device))
        if visual is None:
            return embeds
        where = segment.visual.to(embeds.device)
        return torch.where(where[:, None], spread(visual.embeds.to(embeds.dtype), where), embeds)

    def forward(
        self,
        embeds: Tensor,
        positions: Tensor,
        visual: Tensor,
        deepstack: Tensor | None,
        attention: Attention,
        *,
        read: Tensor | None = None,
        until: int | None = None,
    ) -> Tensor:
        # The stock classes' own forms: [batch, tokens], or [axes, batch, tokens].
        where = positions if self.axes == 1 else positions[:, None]
        return self.decoder.run(embeds, where, visual, deepstack, attention, read=read, until=until)

    def logits(self, hidden: Tensor) -> Tensor:
        head = self.model.lm_head
        logits: Tensor = head(hidden)
        # The exact class: a head of quantised weights is another, or a subclass.
        if type(head) is not nn.Linear or head.weight.dtype == torch.float32:
            return logits.float()
        # Scores are differences of few of these, and bfloat16 rounds a logit of 16 to a sixteenth.
        logits, answers = logits.float(), torch.cat([self.yes_ids, self.no_ids])
        logits[..., answers] = functional.linear(hidden.float(), head.weight[answers].float())
        return logits

    def rotation(self, distances: Tensor) -> Rotation:
        frequencies = self.moving_frequencies()
        return Rotation.by(distances.to(frequencies.device), frequencies)

    def moving_frequencies(self) -> Tensor:
        """Returns the rotary frequencies that a shift along the stream turns: [head_dim / 2]."""
        # A shift that is equal on all axes is one plain rotation, however the axes are spread over
        # the frequencies.
        frequencies: Tensor = self.language.rotary_emb.inv_freq.float()
        return frequencies

    def text_flops(self, queries: int, keys: int, logits: int, read: int | None = None) -> int:
        heads, shape = self.text_config.num_attention_heads, self.kv_shape
        attention = attention_flops(queries, keys, heads, shape.head_dim)
        layers = queries * self._token_flops + shape.layers * attention
        unread = 0 if read is None else queries - read
        skipped = unread * self._reading_flops + attention_flops(
            unread, keys, heads, shape.head_dim
        )
        return layers - skipped + logits * self._logits_flops

    def no_tokens(self) -> VisualTokens:
        """Returns the visual tokens of a temporal patch that was pruned whole."""
        shape = self.kv_shape
        empty = torch.empty(1 + shape.deepstack, 0, shape.hidden, dtype=shape.dtype)
        return VisualTokens(*(part.to(shape.device) for part in (empty[0], empty[1:])))

    @property
    def context(self) -> int:
        return self.preprocessing.context or int(self.text_config.max_position_embeddings)

    @cached_property
    def _token_flops(self) -> int:
        return linear_flops(self.language.layers) + self._expert_flops()

    @cached_property
    def _reading_flops(self) -> int:
        """FLOPs of the last layer's weights that only a token takes whose hidden state is read."""
        last = self.language.layers[-1]
        stored = linear_flops(last.self_attn.k_proj) + linear_flops(last.self_attn.v_proj)
        return linear_flops(last) - stored + self._sparse_flops(last)

    @cached_property
    def _logits_flops(self) -> int:
        return linear_flops(self.model.lm_head)

    def _expert_flops(self) -> int:
        """FLOPs a token of the experts and routers, which are bare parameters and not modules."""
        return sum(self._sparse_flops(layer) for layer in self.language.layers)

    def _sparse_flops(self, layer: Any) -> int:
        """The same of one layer; none where its MLP is dense."""
        config = self.text_config
        if not hasattr(layer.mlp, "experts"):
            return 0
        chosen = 3 * int(config.moe_intermediate_size) * int(config.num_experts_per_tok)
        return 2 * int(config.hidden_size) * (chosen + int(config.num_experts))

    def _close_thought(self, thought: str | None) -> frozenset[int]:
        """Tells of a thought that is closed empty; returns the token that would begin another."""
        if thought is None:
            return frozenset()
        logger.warning(
            "%s thinks before it answers: its thought, %s, is closed empty and answers are read "
            "right behind it",
            self.tokenizer.name_or_path,
            thought,
        )
        begin = self.tokens.id_of(thought)
        return frozenset() if begin is None else frozenset({begin})


def check_text_model(family: str, config: PretrainedConfig) -> None:
    """Checks the language model of a family that takes any.

    Raises:
        ModelError: it is none whose layers and tokenizer are known to serve.
    """
    kind = config.text_config.model_type
    if kind not in _TEXT_MODELS:
        raise ModelError(
            f"{family} with a language model of type {kind!r} is not supported: "
            f"choose one with {', '.join(_TEXT_MODELS)}"
        )


_TEXT_MODELS = ("qwen2", "qwen3", "qwen3_moe")
"""Language models whose byte-level tokenizer never joins text across a frame's end."""


def _kv_shape(model: Any) -> KVShape:
    text = model.config.text_config
    width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return KVShape(
        layers=text.num_hidden_layers,
        kv_heads=text.num_key_value_heads,
        head_dim=width,
        hidden=int(text.hidden_size),
        deepstack=len(getattr(model.config.vision_config, "deepstack_visual_indexes", ())),
        # Of what passes through the layers, which quantised weights do not have: norms are plain.
        dtype=model.model.language_model.norm.weight.dtype,
        device=model.device,
    )


def _parameters(model: Any) -> int:
    """Returns how many weights a model has, those that are packed as what they stand for."""
    if quantisation(model.config) is None:
        return sum(weights.numel() for weights in model.parameters())
    with torch.device("meta"):
        plain = type(model)(plain_config(model.config))
    return sum(weights.numel() for weights in plain.parameters())


def _hold_frequencies(rotary: Any) -> None:
    """Keeps rotary frequencies as they are in windows of the length the model was made for.

    "Dynamic" ones change with the largest position. Ours grow along the stream while the window,
    and with it every difference of positions, stays short: the frequencies have to stay, too.
    """
    if "dynamic" in rotary.rope_type:
        rotary.rope_type = "default"
