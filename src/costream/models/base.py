"""The contract of a model adapter: what the engine needs to know of one VLM family.

An adapter wraps the stock ``transformers`` classes with their weights unchanged. It turns pictures
into visual tokens for the merge groups that are kept, lays out prompt, video and question as
tokens with positions, and runs the language model over whatever tokens the engine hands it. It
knows nothing of windows, caches or policies.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedTokenizerBase

from costream.models.vision_memory import VisionMemory
from costream.pruning import PatchGrid
from costream.registry import Registry
from costream.video import Picture


@dataclass(frozen=True, slots=True)
class FrameGeometry:
    """How frames are cut for the vision encoder.

    Attributes:
        grid: patches and merge groups of one temporal patch.
        width: width in pixels that a frame is resized to.
        height: height in pixels that a frame is resized to.
    """

    grid: PatchGrid
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Moment:
    """Where in its epoch a temporal patch stands.

    Attributes:
        index: temporal patches before it since the epoch began.
        time: seconds since the epoch began, the mean over its frames.
        interval: seconds from one temporal patch to the next.
    """

    index: int
    time: float
    interval: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of tokens that is laid out as one piece: the prompt, a temporal patch, a question.

    Attributes:
        ids: int64 [tokens]. Visual tokens hold the family's placeholder.
        visual: bool [tokens], true where the embedding comes from the vision encoder.
        positions: int64 [axes, tokens], relative to the segment's start.
        span: how far the next segment's start lies behind this one's. It does not depend on what
            was pruned, so dropped tokens leave holes and the kept ones keep their distances.
    """

    ids: Tensor
    visual: Tensor
    positions: Tensor
    span: int

    def __len__(self) -> int:
        return int(self.ids.shape[0])


@dataclass(frozen=True, slots=True)
class VisualTokens:
    """What the vision encoder makes of the kept groups of one temporal patch.

    Attributes:
        embeds: [tokens, hidden], the input embeddings of the language model.
        deepstack: [levels, tokens, hidden], features added to the outputs of the first ``levels``
            layers; no levels for families without them.
    """

    embeds: Tensor
    deepstack: Tensor

    def __len__(self) -> int:
        return int(self.embeds.shape[0])

    def take(self, chosen: Tensor) -> VisualTokens:
        """Returns some of the tokens: bool [tokens]."""
        mask = chosen.to(self.embeds.device)
        return VisualTokens(self.embeds[mask], self.deepstack[:, mask])


@dataclass(frozen=True, slots=True)
class KVShape:
    """Shape of the language model's cache: ``layers`` times [kv_heads, tokens, head_dim]."""

    layers: int
    kv_heads: int
    head_dim: int
    dtype: torch.dtype
    device: torch.device


@dataclass(frozen=True, slots=True)
class MemoryShape:
    """Shape of a stream's encoder memory: ``layers`` times keys and values of [places, width].

    Attributes:
        layers: layers of the vision encoder that are run.
        places: patches of a whole frame, and its class token where there is one.
        width: numbers of a key, over all heads.
    """

    layers: int
    places: int
    width: int

    @property
    def numbers(self) -> int:
        """Numbers that a memory holds, keys and values of all layers."""
        return 2 * self.layers * self.places * self.width


class KVCache(Protocol):
    """What the attention layers of ``transformers`` call with the keys and values they computed."""

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Takes the layer's new keys and values, returns those to attend to.

        Args:
            key_states: [1, kv_heads, queries, head_dim], rotated to their positions.
            value_states: same shape.
            layer_idx: the layer.
            *args: unused, as are ``kwargs``: what releases of ``transformers`` hand over to caches
                of their own, such as the options of the forward pass.
            **kwargs: unused.
        """
        ...

    def get_seq_length(self) -> int:
        """Returns the number of tokens that can be attended to."""
        ...


class ModelAdapter(ABC):
    """One loaded model of one family.

    All tensors an adapter takes and returns live on ``device``. Whether gradients are kept is the
    caller's choice: the engine runs without, training with them.
    """

    model_types: ClassVar[tuple[str, ...]]
    """The ``model_type`` values of ``config.json`` that this family serves."""

    temporal_patch: int
    """Frames that share one grid and become one set of visual tokens."""

    model: Any
    """The stock ``transformers`` model."""

    parameters: int
    """Weights of the whole model, the shared ones once."""

    hidden_size: int
    """Numbers of a token's embedding."""

    deepstack_levels: int = 0
    """Layers of the language model that visual tokens bring features for, beside their embeddings.
    """

    kv_shape: KVShape
    tokenizer: PreTrainedTokenizerBase
    yes_ids: Tensor
    """Tokens that begin an answer of yes."""
    no_ids: Tensor
    """Tokens that begin an answer of no."""
    eos_ids: frozenset[int]
    """Tokens that end an answer."""
    barred_ids: frozenset[int]
    """Tokens that an answer does not hold: those that would begin a thought."""

    @classmethod
    @abstractmethod
    def load(
        cls, path: str, config: PretrainedConfig, *, device: torch.device, dtype: torch.dtype
    ) -> ModelAdapter:
        """Loads a checkpoint of the real layout.

        Args:
            path: a directory or a name on the hub.
            config: its configuration, already read.
            device: where the weights go.
            dtype: their type.

        Raises:
            ModelError: the checkpoint lacks files or weights.
        """

    @abstractmethod
    def geometry(
        self, width: int, height: int, frames: int, size: tuple[int, int] | None
    ) -> FrameGeometry:
        """Returns how pictures of ``width`` x ``height`` are cut, by the published preprocessing.

        Args:
            width: displayed width of the stream, in pixels.
            height: displayed height of the stream, in pixels.
            frames: frames in a window, which may share a pixel budget.
            size: (width, height) to resize to instead.

        Raises:
            SettingsError: ``size`` does not fit the patch grid.
            SourceError: the pictures are over 200 times as long one way as the other.
        """

    @abstractmethod
    def nearest_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Returns the frame size that fits the model and is next to another: (width, height)."""

    @abstractmethod
    def pixels(self, pictures: Sequence[Picture], geometry: FrameGeometry) -> Tensor:
        """Returns the patches of one temporal patch, normalised: float32 [patches, values].

        Patches come group by group, as the encoder's merger wants them.

        Args:
            pictures: one to ``temporal_patch`` frames; a missing last one repeats its predecessor.
            geometry: how they are cut.
        """

    @abstractmethod
    def encode(
        self,
        batch: Sequence[tuple[Tensor, Tensor]],
        geometry: FrameGeometry,
        memory: VisionMemory | None = None,
    ) -> list[VisualTokens]:
        """Runs the vision encoder on kept groups only, all of the batch in one packed call.

        Args:
            batch: for each temporal patch its :meth:`pixels` and bool [groups], the kept groups.
            geometry: how they were cut.
            memory: what the encoder remembers of the stream: the places that are not encoded stay
                in sight of the others as they last were. Without one, they are not seen.
        """

    @abstractmethod
    def prompt(self) -> Segment:
        """Returns the tokens before the video."""

    @abstractmethod
    def frame(self, moment: Moment, kept: Tensor, geometry: FrameGeometry) -> Segment:
        """Returns the tokens of one temporal patch: its label and its visual tokens.

        Args:
            moment: where in its epoch it stands.
            kept: bool [groups].
            geometry: how it was cut.
        """

    @abstractmethod
    def question(self, text: str) -> Segment:
        """Returns the tokens after the video, up to where the answer begins.

        Args:
            text: what is asked. It means its characters, those of control tokens too.
        """

    @abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text of an answer's tokens, without the control tokens among them."""

    @abstractmethod
    def text(self, ids: Sequence[int]) -> Segment:
        """Lays out tokens of plain text, such as an answer while it is written."""

    @abstractmethod
    def start(self, position: int) -> Tensor:
        """Returns where a temporal patch begins on each axis: int64 [axes, 1].

        Its position grows along the stream by the spans of those before it. An axis on which the
        frames of a window lie over each other stays where it is.
        """

    @abstractmethod
    def text_start(self, first: int, last: int, end: int, geometry: FrameGeometry) -> Tensor:
        """Returns where the text behind a window begins on each axis: int64 [axes, 1].

        Args:
            first: position of the window's first temporal patch.
            last: position of its last one.
            end: position behind that.
            geometry: how they were cut.
        """

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
        mask: Tensor,
        cache: KVCache,
    ) -> Tensor:
        """Runs the language model and returns its last hidden states: [queries, hidden].

        Args:
            embeds: [queries, hidden].
            positions: int64 [axes, queries].
            visual: bool [queries], where DeepStack features are added.
            deepstack: [levels, visual queries, hidden], or None where no query is visual.
            mask: bool [queries, keys], true where a query may look.
            cache: takes the new keys, returns those to attend to.
        """

    @abstractmethod
    def logits(self, hidden: Tensor) -> Tensor:
        """Returns the logits of hidden states: [queries, vocabulary]."""

    @abstractmethod
    def stock_logits(
        self,
        pixels: Sequence[Tensor],
        moments: Sequence[Moment],
        question: str,
        geometry: FrameGeometry,
    ) -> Tensor:
        """Runs the stock ``transformers`` class on a whole video, from nothing.

        This is what CoStream is compared with: no pruning, no cache, the class's own forward.

        Args:
            pixels: the :meth:`pixels` of each temporal patch.
            moments: where each stands; the first at the beginning.
            question: what is asked of it.
            geometry: how it was cut.

        Returns:
            The logits at the first answer token: [vocabulary].
        """

    @abstractmethod
    def move_keys(self, keys: Tensor, distance: int | Tensor) -> Tensor:
        """Rotates keys along the stream, by what :meth:`start` says of ``distance``.

        Args:
            keys: [..., tokens, head_dim].
            distance: in positions; one for all tokens, or int64 [tokens].
        """

    @abstractmethod
    def memory_shape(self, geometry: FrameGeometry) -> MemoryShape:
        """Returns what the vision encoder remembers of a stream, by its configuration alone.

        Args:
            geometry: how the stream's pictures are cut.
        """

    @abstractmethod
    def vision_flops(self, patches: Sequence[int], seen: Sequence[int]) -> int:
        """Returns the FLOPs of encoding temporal patches.

        Args:
            patches: how many patches of each are encoded.
            seen: how many each of these sees: they themselves, and what is remembered.
        """

    @abstractmethod
    def text_flops(self, queries: int, keys: int, logits: int) -> int:
        """Returns the FLOPs of one pass of the language model.

        Args:
            queries: tokens run through all layers.
            keys: tokens each of them is compared with, masked ones included.
            logits: tokens whose logits are computed.
        """


MODELS: Registry[ModelAdapter] = Registry("model family")
