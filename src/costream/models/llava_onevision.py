"""LLaVA-OneVision on the stock ``transformers`` class.

Covered: video input with pruned patches, with a SigLIP encoder and a Qwen2 or Qwen2.5 language
model. Not covered: still images beside the video, several videos in one prompt, LLaVA-OneVision
1.5, which is another class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor
from transformers import (
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    PretrainedConfig,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from costream.errors import ModelError
from costream.models.base import MODELS
from costream.models.checkpoint import load_tokenizer, load_weights, read_preprocessing
from costream.models.encoder import EncodeJob, MemoryShape, VisualTokens
from costream.models.encoder_memory import AttentionMetadata, places
from costream.models.flops import linear_flops, packed_attention_flops
from costream.models.layout import Segment, Timestamp
from costream.models.packing import Attended, packed_attention
from costream.models.patch_embedding import embed_patches
from costream.models.pixels import TileSettings, normalise
from costream.models.stock import StockAdapter, check_text_model
from costream.models.untrained import SIZES, ModelSize
from costream.models.upload import upload
from costream.preprocessing import FrameGeometry, PooledPreprocessing

_TAPS = 4
"""Most patches that a pooled token is made of: two rows by two columns."""


@MODELS.register("llava_onevision")
class LlavaOnevisionAdapter(StockAdapter):
    """LLaVA-OneVision.

    The encoder's grid, 27x27 patches, is pooled to 14x14 tokens by bilinear interpolation: a token
    is made of two by two patches, and where the grid is odd its middle row and column belong to
    two tokens each. A token is what is kept or dropped: the grid that pruners see is that of the
    tokens, and a patch is encoded where a kept token is made of it.

    Frames follow each other without a text between them; a line break that the model has learned
    closes the video, before the question.
    """

    model_types = ("llava_onevision",)

    def __init__(
        self, model: Any, tokenizer: PreTrainedTokenizerBase, pixels: TileSettings
    ) -> None:
        self._video = int(model.config.video_token_id)
        video = str(tokenizer.convert_ids_to_tokens(self._video))
        super().__init__(model, tokenizer, video)
        # The placeholder of the line break behind the last frame.
        self._after = video + self._after
        self.vision = model.model.vision_tower
        config = model.config.vision_config
        self.patch: int = config.patch_size
        self.preprocessing = PooledPreprocessing(
            patch=self.patch,
            merge=1,
            temporal_patch=1,
            mean=pixels.mean,
            std=pixels.std,
            context=int(self.text_config.max_position_embeddings),
            tile=(pixels.width, pixels.height),
        )
        self.side: int = config.image_size // config.patch_size
        depth, layer = config.num_hidden_layers, model.config.vision_feature_layer
        self.layers = self.vision.encoder.layers[: layer if layer >= 0 else depth + 1 + layer]
        if (pixels.width, pixels.height) != (config.image_size, config.image_size):
            raise ModelError(
                f"the checkpoint's preprocessing makes frames of {pixels.width}x{pixels.height}, "
                f"but its vision encoder takes {config.image_size}x{config.image_size}"
            )

    @classmethod
    def load(
        cls, path: str, config: PretrainedConfig, *, device: torch.device, dtype: torch.dtype
    ) -> LlavaOnevisionAdapter:
        """Loads a checkpoint: see :meth:`ModelAdapter.load`."""
        _check_config(config)
        family = LlavaOnevisionForConditionalGeneration
        model = load_weights(family, path, config, device=device, dtype=dtype)
        return cls(model, load_tokenizer(path), read_preprocessing(path, TileSettings.parse))

    def encode(self, jobs: Sequence[EncodeJob]) -> list[VisualTokens]:
        tokens = [int(job.kept.sum()) for job in jobs]
        if not any(tokens):
            return [self.no_tokens() for _ in jobs]
        device, masks = self.kv_shape.device, [self.patches_of(job) for job in jobs]
        # Where the patches of all jobs stand among those of whole frames: [patches].
        at = upload(places(torch.cat(masks)), device)
        hidden = self._embed_patches(jobs, at % self.side**2)
        frames = [(job.memory, mask) for job, mask in zip(jobs, masks, strict=True)]
        metadata = AttentionMetadata.of_frames(frames, self.layers, device)
        lengths = [len(job.patches) for job in jobs if len(job.patches)]
        features = self.model.model.multi_modal_projector(
            self._run_encoder(hidden, lengths, metadata)
        )
        # What no kept token is made of may hold anything: its own tokens are not taken.
        whole = features.new_zeros(len(jobs) * self.side**2, features.shape[-1])
        whole = whole.index_copy(0, at, features).view(len(jobs), self.side**2, -1)
        pooled = self.model.model.apply_pooling(whole).flatten(0, 1)
        embeds = pooled[upload(places(torch.cat([job.kept for job in jobs])), device)]
        parts = torch.split(embeds, tokens)
        return [VisualTokens(part, part.new_empty(0, *part.shape)) for part in parts]

    def frame(self, timestamp: Timestamp, kept: Tensor, geometry: FrameGeometry) -> Segment:
        places = kept.nonzero().squeeze(1)
        ids = torch.full_like(places, self._video)
        return Segment(ids, torch.ones_like(kept[places]), places[None], span=len(kept))

    def embed(self, segment: Segment, visual: VisualTokens | None) -> Tensor:
        embeds = super().embed(segment, visual)
        breaks = ((segment.ids == self._video) & ~segment.visual).to(embeds.device)
        return torch.where(breaks[:, None], self.model.model.image_newline.to(embeds.dtype), embeds)

    def memory_shape(self, geometry: FrameGeometry) -> MemoryShape:
        config = self.model.config.vision_config
        return MemoryShape(len(self.layers), self.side**2, config.hidden_size)

    def vision_flops(self, patches: Sequence[int], seen: Sequence[int]) -> int:
        """See :meth:`ModelAdapter.vision_flops`: a patch of the grid is a token here.

        Tokens count with four patches each, though neighbours may share some: an upper bound for
        pruned frames, and exact for whole ones.
        """
        config = self.model.config.vision_config
        lengths, keys = (
            [min(_TAPS * tokens, self.side**2) for tokens in counts] for counts in (patches, seen)
        )
        head_dim = config.hidden_size // config.num_attention_heads
        attention = packed_attention_flops(lengths, keys, config.num_attention_heads, head_dim)
        return sum(lengths) * self._patch_flops + len(self.layers) * attention

    @cached_property
    def _patch_flops(self) -> int:
        """FLOPs of the weights for one patch."""
        modules = (self.vision.embeddings, self.layers, self.model.model.multi_modal_projector)
        return sum(linear_flops(module) for module in modules)

    def patches_of(self, job: EncodeJob) -> Tensor:
        """Returns the patches that a job's kept tokens are made of: bool [patches]."""
        mask = self.preprocessing.cut_mask(job.kept.numpy(), job.geometry)
        return torch.from_numpy(mask.reshape(-1))

    def _embed_patches(self, jobs: Sequence[EncodeJob], at: Tensor) -> Tensor:
        """Returns the embeddings of patches at their places in a frame: [kept patches, hidden].

        Args:
            jobs: those whose patches they are.
            at: int64 [kept patches], their places.
        """
        embeddings = self.vision.embeddings
        values = upload(torch.cat([job.patches for job in jobs]), at.device)
        embedded = embed_patches(embeddings.patch_embedding, normalise(values, self.preprocessing))
        added: Tensor = embeddings.position_embedding(at)
        return embedded + added

    def _run_encoder(
        self, hidden: Tensor, lengths: Sequence[int], metadata: AttentionMetadata
    ) -> Tensor:
        """Runs the encoder's layers over frames that don't see each other: [tokens, hidden]."""
        for layer in self.layers:
            attended = partial(metadata.attended, layer)
            rows = layer.layer_norm1(hidden)
            hidden = hidden + self._attend(layer.self_attn, rows, lengths, attended)
            hidden = hidden + layer.mlp(layer.layer_norm2(hidden))
        return hidden

    def _attend(
        self, attention: Any, rows: Tensor, lengths: Sequence[int], attended: Attended
    ) -> Tensor:
        """The stock attention, which knows no packed sequences, over packed sequences."""
        queries, keys = attention.q_proj(rows), attention.k_proj(rows)
        values, heads = attention.v_proj(rows), attention.num_heads
        mixed = packed_attention(queries, keys, values, heads, lengths, attended)
        projected: Tensor = attention.out_proj(mixed)
        return projected


def _check_config(config: PretrainedConfig) -> None:
    check_text_model("LLaVA-OneVision", config)
    if config.vision_config.model_type != "siglip_vision_model":
        raise ModelError(
            f"LLaVA-OneVision with a vision encoder of type {config.vision_config.model_type!r} "
            "is not supported: it has to be siglip_vision_model"
        )
    one_layer = isinstance(config.vision_feature_layer, int)
    if not one_layer or config.vision_feature_select_strategy != "full":
        raise ModelError("LLaVA-OneVision is supported only with all features of one vision layer")


@dataclass(frozen=True)
class LlavaOnevisionSize(ModelSize):
    """Dimensions of an untrained LLaVA-OneVision.

    Attributes:
        image_size: side of a frame in pixels.
        patch_size: side of a patch in pixels.
    """

    chat_template = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }} {% if message.content is string %}{{ message.content }}{% else -%}
{%- for part in message.content -%}
{%- if part.type == 'video' -%}<video>
{%- elif part.type == 'image' -%}<image>
{%- else %}
{{ part.text }}{%- endif -%}
{%- endfor -%}
{%- endif %}<|im_end|>
{%- endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% endif -%}"""

    special_tokens = ("<image>", "<video>")

    image_size: int = 384
    patch_size: int = 14

    def build(self, tokenizer: PreTrainedTokenizerFast) -> LlavaOnevisionForConditionalGeneration:
        image, video = tokenizer.convert_tokens_to_ids(list(self.special_tokens))
        config = LlavaOnevisionConfig(
            text_config={"model_type": "qwen2", **self.text_config(tokenizer)},
            vision_config=self._vision_config(),
            image_token_index=image,
            video_token_index=video,
            tie_word_embeddings=True,
        )
        return LlavaOnevisionForConditionalGeneration(config)

    def preprocessing(self) -> dict[str, Any]:
        return {
            "size": {"height": self.image_size, "width": self.image_size},
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
            "resample": 3,
            "video_processor_type": "LlavaOnevisionVideoProcessor",
        }

    def _vision_config(self) -> dict[str, Any]:
        return {
            "model_type": "siglip_vision_model",
            "hidden_size": self.vision_hidden,
            "intermediate_size": 4 * self.vision_hidden,
            "num_hidden_layers": self.vision_depth,
            "num_attention_heads": self.vision_heads,
            "image_size": self.image_size,
            "patch_size": self.patch_size,
            "vision_use_head": False,
        }


# An odd grid with pixels left over behind its last patch, as the real one: 7x7 patches, 4x4 tokens.
SIZES["llava-test"] = LlavaOnevisionSize(64, 3, 128, 4, 2, 32, 3, 2, image_size=100)
SIZES["llava-150m"] = LlavaOnevisionSize(768, 15, 2432, 12, 4, 512, 12, 8)
