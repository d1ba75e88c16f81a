"""The contract of a language model: the layers that run over whatever tokens they are handed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from costream.models.encoder import VisualTokens
from costream.models.layout import Segment
from costream.models.rotation import Rotation


@dataclass(frozen=True, slots=True)
class KVShape:
    """What the language model keeps of a token.

    Attributes:
        layers: its layers.
        kv_heads: heads of keys and values in each.
        head_dim: their width.
        hidden: width of a token's input embedding.
        deepstack: further features of a visual token, as wide as its embedding.
        dtype: of all of it.
        device: where it lies.
    """

    layers: int
    kv_heads: int
    head_dim: int
    hidden: int
    deepstack: int
    dtype: torch.dtype
    device: torch.device

    @property
    def row_bytes(self) -> int:
        """Memory of a token's keys and values in all layers and of its features, in bytes."""
        keys_values = self.layers * 2 * self.kv_heads * self.head_dim
        return (keys_values + (1 + self.deepstack) * self.hidden) * self.dtype.itemsize


class Attention(Protocol):
    """How the layers of a language model attend. Who keeps keys and values decides what is seen."""

    def attend(
        self, layer: int, queries: Tensor, keys: Tensor, values: Tensor, scale: float
    ) -> Tensor:
        """Takes what a layer computed of a pass's tokens, returns what they gather.

        Args:
            layer: the layer.
            queries: [heads, tokens, head_dim], rotated to their positions; in the last layer, only
                of tokens that are read.
            keys: [kv_heads, tokens, head_dim], rotated to their positions.
            values: same shape.
            scale: what products of queries and keys are multiplied by.

        Returns:
            [tokens, heads, head_dim], of the tokens that have queries.
        """
        ...


class LanguageModel(ABC):
    """A language model on its device. Keys and values are the :class:`Attention`'s to keep."""

    kv_shape: KVShape
    yes_ids: Tensor
    """Tokens that begin an answer of yes."""
    no_ids: Tensor
    """Tokens that begin an answer of no."""
    eos_ids: frozenset[int]
    """Tokens that end an answer."""
    barred_ids: frozenset[int]
    """Tokens that an answer does not hold: those that would begin a thought."""

    @property
    @abstractmethod
    def context(self) -> int:
        """Most tokens of a window and the text behind it that the model was made for."""

    @abstractmethod
    def embed(self, segment: Segment, visual: VisualTokens | None) -> Tensor:
        """Returns the input embeddings of a segment: [tokens, hidden]."""

    @abstractmethod
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
        """Runs the language model and returns last hidden states: [read, hidden].

        Args:
            embeds: [tokens, hidden], those of several sequences behind each other.
            positions: int64 [axes, tokens].
            visual: int64 [visual tokens], where DeepStack features are added.
            deepstack: [levels, visual tokens, hidden], or None where no token is visual.
            attention: how its layers attend: it tells the sequences apart.
            read: int64 [read], the tokens whose last hidden states are returned; all where None.
                Of the others, the last layer computes keys and values alone.
            until: the layer whose attention is the last that is run, for what it sees of keys;
                what is returned then means nothing. All layers where None.
        """

    @abstractmethod
    def logits(self, hidden: Tensor) -> Tensor:
        """Returns the logits of hidden states: [queries, vocabulary]."""

    @abstractmethod
    def rotation(self, distances: Tensor) -> Rotation:
        """Returns what moves keys along the stream, by what :meth:`start` says of a distance.

        Args:
            distances: int64 [tokens], in positions.
        """

    @abstractmethod
    def text_flops(self, queries: int, keys: int, logits: int, read: int | None = None) -> int:
        """Returns the FLOPs of one pass of the language model.

        Args:
            queries: tokens run through the layers.
            keys: tokens each of them is compared with, masked ones included.
            logits: tokens whose logits are computed.
            read: tokens whose last hidden states are read, see :meth:`forward`; all where None.
        """
