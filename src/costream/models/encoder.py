"""The contract of a vision encoder: patches of kept merge groups become visual tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from costream.models.encoder_memory import EncoderMemory
from costream.preprocessing import FrameGeometry


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


class Encoder(ABC):
    """A vision encoder on its device."""

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
