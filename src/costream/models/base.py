"""The contract of a model adapter: what the engine needs to know of one VLM family.

An adapter wraps the stock ``transformers`` classes with their weights unchanged, and is four things
at once, each a contract of its own: how pictures become patches (its ``preprocessing``, which
serves without the adapter), the vision :class:`~costream.models.encoder.Encoder`, the
:class:`~costream.models.layout.Layout` of tokens, and the
:class:`~costream.models.language.LanguageModel`. It knows nothing of windows, caches or policies.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedTokenizerBase

from costream.models.encoder import Encoder
from costream.models.language import LanguageModel
from costream.models.layout import Layout
from costream.models.pixels import normalise
from costream.preprocessing import FrameGeometry, Preprocessing
from costream.registry import Registry
from costream.video import Picture


class ModelAdapter(Encoder, Layout, LanguageModel):
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

    tokenizer: PreTrainedTokenizerBase

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
        """Returns all patches of one temporal patch as the stock classes take them.

        Args:
            pictures: one to ``temporal_patch`` frames; a missing last one repeats its predecessor.
            geometry: how they are cut.

        Returns:
            float32 [patches, values], normalised, on the CPU.
        """
        whole = np.ones(geometry.grid.groups, np.bool_)
        patches = self.preprocessing.patches(pictures, whole, geometry)
        return normalise(torch.from_numpy(patches), self.preprocessing)


MODELS: Registry[ModelAdapter] = Registry(
    "model family", ModelAdapter, "costream.models", ["model_types"]
)
