"""Qwen3-VL, dense and mixture of experts, on the stock ``transformers`` classes.

Covered: video input with pruned patches, DeepStack, interleaved 3-axis rotary positions, text
timestamps. Not covered: still images beside the video, several videos in one prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor
from transformers import (
    PretrainedConfig,
    PreTrainedTokenizerFast,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLMoeConfig,
    Qwen3VLMoeForConditionalGeneration,
)
from transformers.vision_utils import (
    get_vision_interpolation_indices_and_weights,
    get_vision_position_ids,
)

from costream.models.base import MODELS
from costream.models.checkpoint import load_tokenizer, load_weights, read_preprocessing
from costream.models.encoder import EncodeJob, MemoryShape, VisualTokens
from costream.models.encoder_memory import AttentionMetadata, places, set_attention
from costream.models.flops import linear_flops, packed_attention_flops
from costream.models.layout import Segment, Timestamp
from costream.models.patch_embedding import embed_by_matmul
from costream.models.pixels import PixelSettings, normalise
from costream.models.stock import StockAdapter
from costream.models.untrained import SIZES, ModelSize
from costream.models.upload import upload
from costream.preprocessing import FrameGeometry, QwenPreprocessing
from costream.pruning import PatchGrid


@MODELS.register("qwen3_vl")
class Qwen3VLAdapter(StockAdapter):
    """Qwen3-VL and Qwen3-VL-MoE.

    One temporal patch is laid out as the published processor does it: the text ``<12.3 seconds>``,
    a start token, its visual tokens, an end token. The time counts from the position base
    and not from the window, so the text of a frame stays what it was when the window slides.
    """

    model_types = ("qwen3_vl", "qwen3_vl_moe")
    axes = 3

    def __init__(self, model: Any, tokenizer: Any, pixels: PixelSettings) -> None:
        start, video, end = (
            tokenizer.convert_ids_to_tokens(token) for token in _video_ids(model.config)
        )
        # One a geometry; held by the adapter, so that both go together.
        self._places = lru_cache(maxsize=64)(self._compute_places)
        super().__init__(model, tokenizer, f"{start}{video}{end}")
        self.vision = model.model.visual
        vision = model.config.vision_config
        self.merge: int = vision.spatial_merge_size
        self.preprocessing = QwenPreprocessing(
            patch=vision.patch_size,
            merge=self.merge,
            temporal_patch=vision.temporal_patch_size,
            mean=pixels.mean,
            std=pixels.std,
            context=None,
        )
        set_attention(self.vision)
        embed_by_matmul(self.vision.patch_embed)

    @classmethod
    def load(
        cls, path: str, config: PretrainedConfig, *, device: torch.device, dtype: torch.dtype
    ) -> Qwen3VLAdapter:
        """Loads a checkpoint, dense or mixture of experts: see :meth:`ModelAdapter.load`."""
        moe = config.model_type == "qwen3_vl_moe"
        family = Qwen3VLMoeForConditionalGeneration if moe else Qwen3VLForConditionalGeneration
        model = load_weights(family, path, config, device=device, dtype=dtype)
        return cls(model, load_tokenizer(path), read_preprocessing(path, PixelSettings.parse))

    def encode(self, jobs: Sequence[EncodeJob]) -> list[VisualTokens]:
        device, group = self.kv_shape.device, self.merge**2
        kept = [job.kept.repeat_interleave(group) for job in jobs]
        lengths = [int(mask.sum()) for mask in kept]
        if not any(lengths):
            return [self.no_tokens() for _ in jobs]
        values = upload(torch.cat([job.patches for job in jobs]), device)
        frames = [(job.memory, mask) for job, mask in zip(jobs, kept, strict=True)]
        blocks = [block.attn for block in self.vision.blocks]
        out = self.vision(
            normalise(values, self.preprocessing).to(self.kv_shape.dtype),
            grid_thw=None,
            **self._positions(jobs, kept, device),
            # On the CPU: each layer reads the lengths there.
            cu_seqlens=_bounds(lengths),
            attention_metadata=AttentionMetadata.of_frames(frames, blocks, device),
        )
        tokens = [n // group for n in lengths]
        embeds = torch.split(out.pooler_output, tokens)
        deepstack = torch.split(torch.stack(out.deepstack_features), tokens, dim=1)
        return [VisualTokens(e, d) for e, d in zip(embeds, deepstack, strict=True)]

    def frame(self, timestamp: Timestamp, kept: Tensor, geometry: FrameGeometry) -> Segment:
        label = self.ids(f"<{timestamp.time:.1f} seconds>")
        start, video, end = _video_ids(self.model.config)
        ids = torch.tensor([*label, start, *[video] * int(kept.sum()), end])
        # The label and the start token come first; the end token lies behind the whole grid.
        lead = len(label) + 1
        rows, cols = geometry.grid.group_shape
        text = torch.arange(lead)
        row, col = (kept.nonzero().squeeze(1) // cols), (kept.nonzero().squeeze(1) % cols)
        places = torch.stack([torch.zeros_like(row), row, col]) + lead
        close = torch.tensor([lead + max(rows, cols)])
        positions = torch.cat([text.expand(3, -1), places, close.expand(3, -1)], dim=1)
        return Segment(ids, ids == video, positions, span=int(close) + 1)

    def memory_shape(self, geometry: FrameGeometry) -> MemoryShape:
        config, grid = self.model.config.vision_config, geometry.grid
        return MemoryShape(config.depth, grid.rows * grid.cols, config.hidden_size)

    def vision_flops(self, patches: Sequence[int], seen: Sequence[int]) -> int:
        config, total = self.model.config.vision_config, sum(patches)
        head_dim = config.hidden_size // config.num_heads
        attention = packed_attention_flops(patches, seen, config.num_heads, head_dim)
        patch, group = self._vision_costs
        groups = total // self.merge**2
        return total * patch + groups * group + int(config.depth) * attention

    @cached_property
    def _vision_costs(self) -> tuple[int, int]:
        """FLOPs of the weights for one patch and for one merge group."""
        mergers = [self.vision.merger, *self.vision.deepstack_merger_list]
        patch = linear_flops(self.vision.patch_embed) + linear_flops(self.vision.blocks)
        return patch, sum(linear_flops(merger) for merger in mergers)

    def _positions(
        self, jobs: Sequence[EncodeJob], kept: Sequence[Tensor], device: torch.device
    ) -> dict[str, Tensor]:
        """Returns where kept patches stand, each in its own job's grid, as the encoder takes it."""
        indices, weights, rows_cols = (
            torch.cat([rows[places(mask)] for rows, mask in zip(of_jobs, kept, strict=True)])
            for of_jobs in zip(*(self._places(job.geometry.grid) for job in jobs), strict=True)
        )
        return {
            "interp_indices": upload(indices, device),
            "interp_weights": upload(weights, device),
            "position_ids": upload(rows_cols, device),
        }

    def _compute_places(self, grid: PatchGrid) -> tuple[Tensor, Tensor, Tensor]:
        """Position embedding taps and weights, and (row, column), of every patch of a grid."""
        thw = torch.tensor([[1, grid.rows, grid.cols]])
        indices, weights = get_vision_interpolation_indices_and_weights(
            thw,
            num_grid_per_side=self.vision.num_grid_per_side,
            mode=self.vision.interpolation_mode,
            align_corners=self.vision.interpolation_align_corners,
            spatial_merge_size=self.merge,
        )
        return indices, weights, get_vision_position_ids(thw, self.merge)


def _bounds(lengths: Sequence[int]) -> Tensor:
    """Returns where sequences begin and end, as ``cu_seqlens`` has it: int32 [sequences + 1]."""
    # An empty sequence between two others would be one more call of the attention kernel.
    return torch.tensor([0, *(n for n in lengths if n)]).cumsum(0, dtype=torch.int32)


def _video_ids(config: PretrainedConfig) -> tuple[int, int, int]:
    return config.vision_start_token_id, config.video_token_id, config.vision_end_token_id


@dataclass(frozen=True)
class Qwen3VLSize(ModelSize):
    """Dimensions of an untrained Qwen3-VL.

    Attributes:
        deepstack: layers of the encoder whose features go to the first layers of the language
            model.
        experts: experts of a mixture-of-experts text model, 0 for a dense one.
    """

    chat_template = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.content is string %}{{ message.content }}{% else -%}
{%- for part in message.content -%}
{%- if part.type == 'video' -%}<|vision_start|><|video_pad|><|vision_end|>
{%- elif part.type == 'image' -%}<|vision_start|><|image_pad|><|vision_end|>
{%- else -%}{{ part.text }}{%- endif -%}
{%- endfor -%}
{%- endif %}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% endif -%}"""

    special_tokens = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")

    deepstack: tuple[int, ...]
    experts: int = 0

    def build(
        self, tokenizer: PreTrainedTokenizerFast
    ) -> Qwen3VLForConditionalGeneration | Qwen3VLMoeForConditionalGeneration:
        start, end, image, video = tokenizer.convert_tokens_to_ids(list(self.special_tokens))
        options = {
            "text_config": self.text_config(tokenizer),
            "vision_config": self._vision_config(),
            "image_token_id": image,
            "video_token_id": video,
            "vision_start_token_id": start,
            "vision_end_token_id": end,
            "tie_word_embeddings": True,
        }
        if self.experts:
            return Qwen3VLMoeForConditionalGeneration(Qwen3VLMoeConfig(**options))
        return Qwen3VLForConditionalGeneration(Qwen3VLConfig(**options))

    def preprocessing(self) -> dict[str, Any]:
        return {
            "size": {"shortest_edge": 4096, "longest_edge": 25165824},
            "max_video_tokens": 768,
            "patch_size": 16,
            "temporal_patch_size": 2,
            "merge_size": 2,
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
            "video_processor_type": "Qwen3VLVideoProcessor",
        }

    def text_config(self, tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
        half = self.hidden // self.heads // 2
        rope = {
            "rope_type": "default",
            "rope_theta": 5_000_000.0,
            "mrope_section": [half - 2 * (half // 3), half // 3, half // 3],
            "mrope_interleaved": True,
        }
        experts = {
            "num_experts": self.experts,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": self.intermediate // 2,
        }
        text = {**super().text_config(tokenizer), "rope_parameters": rope}
        return {**text, **experts} if self.experts else text

    def _vision_config(self) -> dict[str, Any]:
        return {
            "depth": self.vision_depth,
            "hidden_size": self.vision_hidden,
            "intermediate_size": 4 * self.vision_hidden,
            "num_heads": self.vision_heads,
            "out_hidden_size": self.hidden,
            "num_position_embeddings": 48 * 48,
            "deepstack_visual_indexes": list(self.deepstack),
        }


SIZES["test"] = Qwen3VLSize(64, 3, 128, 4, 2, 32, 3, 2, (0, 1))
SIZES["test-moe"] = Qwen3VLSize(64, 2, 128, 4, 2, 32, 2, 2, (0,), experts=4)
SIZES["tiny"] = Qwen3VLSize(192, 4, 512, 6, 2, 192, 4, 3, (1,))
SIZES["150m"] = Qwen3VLSize(768, 14, 2432, 12, 4, 512, 10, 8, (3, 6))
