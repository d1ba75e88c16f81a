"""The contract of a model adapter: what the engine needs to know of one VLM family.

An adapter wraps the stock ``transformers`` classes with their weights unchanged. It turns patches
of kept merge groups into visual tokens, lays out prompt, video and question as tokens with
positions, and runs the language model over whatever tokens the engine hands it. It knows nothing
of windows, caches or policies. How pictures become patches is its ``preprocessing``'s to say, which
serves without the adapter.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedTokenizerBase

from costream.models.encoder_memory import EncoderMemory
from costream.models.pixels import normalise
from costream.models.rotation import Rotation
from costream.preprocessing import FrameGeometry, Preprocessing
from costream.registry import Registry
from costream.video import Picture


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
class EncodeJob:
    """Kept patches of one temporal patch of one stream, to be run through the vision encoder.

    Attributes:
        patches: uint8 [kept patches, values], as :meth:`Preprocessing.patches` cuts them.
        kept: bool [groups], on the CPU: the merge groups that are encoded.
        geometry: how they were cut.
        memory: keys and values of its stream: places that are not encoded are attended to as they
            last were. None: they are not attended to.
    """

    patches: Tensor
    kept: Tensor
    geometry: FrameGeometry
    memory: EncoderMemory | None = None


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


class Attention(Protocol):
    """How the layers of a language model attend. Who keeps keys and values decides what is seen."""

    def attend(
        self, layer: int, queries: Tensor, keys: Tensor, values: Tensor, scale: float
    ) -> Tensor:
        """Takes what a layer computed of a pass's tokens, returns what they gather.

        Args:
            layer: the layer.
            queries: [heads, tokens, head_dim], rotated to their positions.
            keys: [kv_heads, tokens, head_dim], rotated to their positions.
            values: same shape.
            scale: what products of queries and keys are multiplied by.

        Returns:
            [tokens, heads, head_dim].
        """
        ...


class ModelAdapter(ABC):
    """One loaded model of one family.

    All tensors an adapter takes and returns live on ``device``. Whether gradients are kept is the
    caller's choice: the engine runs without, training with them.
    """

    model_types: ClassVar[tuple[str, ...]]
    """The ``model_type`` values of ``config.json`` that this family serves."""

    preprocessing: Preprocessing
    """How pictures become patches."""

    model: Any
    """The stock ``transformers`` model."""

    parameters: int
    """Weights of the whole model, the shared ones once."""

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

    @property
    def temporal_patch(self) -> int:
        """Frames that share one grid and become one set of visual tokens."""
        return self.preprocessing.temporal_patch

    def geometry(
        self, width: int, height: int, frames: int, size: tuple[int, int] | None
    ) -> FrameGeometry:
        """Returns how pictures are cut: see :meth:`Preprocessing.geometry`."""
        return self.preprocessing.geometry(width, height, frames, size)

    def nearest_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Returns the frame size next to another: see :meth:`Preprocessing.nearest_size`."""
        return self.preprocessing.nearest_size(size)

    def pixels(self, pictures: Sequence[Picture], geometry: FrameGeometry) -> Tensor:
        """Returns all patches of one temporal patch as :meth:`stock_logits` takes them.

        Args:
            pictures: one to ``temporal_patch`` frames; a missing last one repeats its predecessor.
            geometry: how they are cut.

        Returns:
            float32 [patches, values], normalised, on the CPU.
        """
        whole = np.ones(geometry.grid.groups, np.bool_)
        patches = self.preprocessing.patches(pictures, whole, geometry)
        return normalise(torch.from_numpy(patches), self.preprocessing)

    @abstractmethod
    def encode(self, jobs: Sequence[EncodeJob]) -> list[VisualTokens]:
        """Runs the vision encoder on kept patches only, those of all jobs in one packed call.

        Jobs don't see each other but through a memory that they share: a frame then attends to
        what its stream's earlier ones left there, and to nothing of later ones.

        Args:
            jobs: temporal patches of any streams, of any geometries; those of one stream in order
                of time.

        Returns:
            The tokens of each job, in order.
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
        attention: Attention,
        *,
        until: int | None = None,
    ) -> Tensor:
        """Runs the language model and returns its last hidden states: [tokens, hidden].

        Args:
            embeds: [tokens, hidden], those of several sequences behind each other.
            positions: int64 [axes, tokens].
            visual: bool [tokens], where DeepStack features are added.
            deepstack: [levels, visual tokens, hidden], or None where no token is visual.
            attention: how its layers attend: it tells the sequences apart.
            until: the layer whose attention is the last that is run, for what it sees of keys;
                what is returned then means nothing. All layers where None.
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
    def rotation(self, distances: Tensor) -> Rotation:
        """Returns what moves keys along the stream, by what :meth:`start` says of a distance.

        Args:
            distances: int64 [tokens], in positions.
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


MODELS: Registry[ModelAdapter] = Registry(
    "model family", ModelAdapter, "costream.models", ["model_types"]
)
