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
    Qwen3VLForConditionalGeneration,
    Qwen3VLMoeForConditionalGeneration,
)
from transformers.vision_utils import (
    get_vision_interpolation_indices_and_weights,
    get_vision_position_ids,
)

from costream.errors import ModelError, SettingsError
from costream.models.base import (
    MODELS,
    FrameGeometry,
    KVCache,
    KVShape,
    ModelAdapter,
    Segment,
    VisualTokens,
)
from costream.models.checkpoint import answer_ids, load_tokenizer, load_weights, read_pixel_settings
from costream.models.flops import attention_flops, linear_flops, packed_attention_flops
from costream.models.pixels import PixelSettings, fit, frames_to_tensor, patchify
from costream.pruning import PatchGrid
from costream.video import Picture


@dataclass(frozen=True, slots=True)
class _Costs:
    """FLOPs of the weights for one patch, one merge group, one token, and one token's logits."""

    patch: int
    group: int
    token: int
    logits: int


@MODELS.register("qwen3_vl")
class Qwen3VLAdapter(ModelAdapter):
    """Qwen3-VL and Qwen3-VL-MoE.

    One temporal patch is laid out as the published processor does it: the text ``<12.3 seconds>``,
    a start token, its visual tokens, an end token. The time is that of the stream within an epoch
    and not within the window, so the text of a frame stays what it was when the window slides.
    """

    model_types = ("qwen3_vl", "qwen3_vl_moe")

    def __init__(self, model: Any, tokenizer: Any, pixels: PixelSettings) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.pixel_settings = pixels
        self.vision = model.model.visual
        self.language = model.model.language_model
        vision, text = model.config.vision_config, model.config.text_config
        self.patch: int = vision.patch_size
        self.merge: int = vision.spatial_merge_size
        self.temporal_patch = vision.temporal_patch_size
        self.parameters = sum(weights.numel() for weights in model.parameters())
        self.kv_shape = KVShape(
            layers=text.num_hidden_layers,
            kv_heads=text.num_key_value_heads,
            head_dim=text.head_dim,
            dtype=model.dtype,
            device=model.device,
        )
        self.yes_ids, self.no_ids = (ids.to(model.device) for ids in answer_ids(tokenizer))
        self.eos_ids = frozenset({tokenizer.eos_token_id, tokenizer.pad_token_id})
        self._before, self._after = self._split_template()

    @classmethod
    def load(
        cls, path: str, config: PretrainedConfig, *, device: torch.device, dtype: torch.dtype
    ) -> Qwen3VLAdapter:
        """Loads a checkpoint, dense or mixture of experts: see :meth:`ModelAdapter.load`."""
        moe = config.model_type == "qwen3_vl_moe"
        family = Qwen3VLMoeForConditionalGeneration if moe else Qwen3VLForConditionalGeneration
        model = load_weights(family, path, device=device, dtype=dtype)
        return cls(model, load_tokenizer(path), read_pixel_settings(path))

    def geometry(
        self, width: int, height: int, frames: int, size: tuple[int, int] | None
    ) -> FrameGeometry:
        factor = self.patch * self.merge
        frames = max(frames, self.temporal_patch)
        fitted = size or fit(width, height, frames, factor, self.pixel_settings)
        if any(side <= 0 or side % factor for side in fitted):
            raise SettingsError(
                f"frame size {fitted[0]}x{fitted[1]} does not fit this model: "
                f"both sides must be multiples of {factor}"
            )
        grid = PatchGrid(fitted[1] // self.patch, fitted[0] // self.patch, self.merge)
        return FrameGeometry(grid, width=fitted[0], height=fitted[1])

    def pixels(self, pictures: Sequence[Picture], geometry: FrameGeometry) -> Tensor:
        frames = frames_to_tensor(pictures, geometry.width, geometry.height, self.temporal_patch)
        return patchify(frames, self.patch, self.merge, self.pixel_settings)

    def encode(
        self, batch: Sequence[tuple[Tensor, Tensor]], geometry: FrameGeometry
    ) -> list[VisualTokens]:
        device, group = self.kv_shape.device, self.merge**2
        kept = [groups.repeat_interleave(group) for _, groups in batch]
        lengths = [int(mask.sum()) for mask in kept]
        if not any(lengths):
            return [self._no_tokens() for _ in batch]
        index = torch.cat([mask.nonzero().squeeze(1) for mask in kept])
        values = torch.cat([pixels[mask] for (pixels, _), mask in zip(batch, kept, strict=True)])
        indices, weights, rows_cols = self._places(geometry.grid)
        # An empty sequence between two others would be one more call of the attention kernel.
        bounds = torch.tensor([0, *(n for n in lengths if n)]).cumsum(0)
        out = self.vision(
            values.to(device, self.kv_shape.dtype),
            grid_thw=None,
            interp_indices=indices[index].to(device),
            interp_weights=weights[index].to(device),
            position_ids=rows_cols[index].to(device),
            cu_seqlens=bounds.to(device, torch.int32),
        )
        tokens = [n // group for n in lengths]
        embeds = torch.split(out.pooler_output, tokens)
        deepstack = torch.split(torch.stack(out.deepstack_features), tokens, dim=1)
        return [VisualTokens(e, d) for e, d in zip(embeds, deepstack, strict=True)]

    def prompt(self) -> Segment:
        return self._text_segment(self._before)

    def frame(self, time: float, kept: Tensor, geometry: FrameGeometry) -> Segment:
        label = self._ids(f"<{time:.1f} seconds>")
        start, video, end = self._video_ids()
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

    def question(self, text: str) -> Segment:
        return self._text_segment(self._after.replace(_QUESTION, text))

    def text(self, ids: Sequence[int]) -> Segment:
        tokens = torch.tensor(list(ids), dtype=torch.int64)
        positions = torch.arange(len(tokens)).expand(3, -1)
        return Segment(tokens, torch.zeros_like(tokens, dtype=torch.bool), positions, len(tokens))

    def embed(self, segment: Segment, visual: VisualTokens | None) -> Tensor:
        embeds: Tensor = self.language.embed_tokens(segment.ids.to(self.kv_shape.device))
        if visual is not None:
            embeds[segment.visual.to(embeds.device)] = visual.embeds.to(embeds.dtype)
        return embeds

    def forward(
        self,
        embeds: Tensor,
        positions: Tensor,
        visual: Tensor,
        deepstack: Tensor | None,
        mask: Tensor,
        cache: KVCache,
    ) -> Tensor:
        hidden: Tensor = self.language(
            inputs_embeds=embeds[None],
            position_ids=positions[:, None],
            attention_mask=mask[None, None],
            past_key_values=cache,
            use_cache=True,
            visual_pos_masks=visual[None],
            deepstack_visual_embeds=None if deepstack is None else list(deepstack),
        ).last_hidden_state
        return hidden[0]

    def logits(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self.model.lm_head(hidden)
        return logits

    @torch.inference_mode()
    def stock_logits(
        self,
        pixels: Sequence[Tensor],
        times: Sequence[float],
        question: str,
        geometry: FrameGeometry,
    ) -> Tensor:
        grid, device = geometry.grid, self.kv_shape.device
        whole = torch.ones(grid.groups, dtype=torch.bool)
        frames = [self.frame(time, whole, geometry) for time in times]
        segments = [self.prompt(), *frames, self.question(question)]
        ids = torch.cat([segment.ids for segment in segments]).to(device)[None]
        logits: Tensor = self.model(
            input_ids=ids,
            pixel_values_videos=torch.cat(list(pixels)).to(device, self.kv_shape.dtype),
            video_grid_thw=torch.tensor([[len(pixels), grid.rows, grid.cols]], device=device),
            # The processor's code for video tokens is 2.
            mm_token_type_ids=(ids == self.model.config.video_token_id).int() * 2,
            logits_to_keep=1,
        ).logits
        return logits[0, -1]

    def move_keys(self, keys: Tensor, distance: int) -> Tensor:
        # A shift that is equal on all three axes is one plain rotation, however the axes are
        # interleaved over the frequencies.
        angle = distance * self.language.rotary_emb.inv_freq.float()
        cos, sin = angle.cos().repeat(2), angle.sin().repeat(2)
        wide = keys.float()
        first, second = wide.chunk(2, dim=-1)
        moved: Tensor = wide * cos + torch.cat([-second, first], dim=-1) * sin
        return moved.to(keys.dtype)

    def vision_flops(self, patches: Sequence[int]) -> int:
        config, total = self.model.config.vision_config, sum(patches)
        head_dim = config.hidden_size // config.num_heads
        attention = packed_attention_flops(patches, config.num_heads, head_dim)
        groups = total // self.merge**2
        costs = self._costs
        return total * costs.patch + groups * costs.group + int(config.depth) * attention

    def text_flops(self, queries: int, keys: int, logits: int) -> int:
        config, costs = self.model.config.text_config, self._costs
        attention = attention_flops(queries, keys, config.num_attention_heads, config.head_dim)
        layers = int(config.num_hidden_layers)
        return queries * costs.token + layers * attention + logits * costs.logits

    @cached_property
    def _costs(self) -> _Costs:
        mergers = [self.vision.merger, *self.vision.deepstack_merger_list]
        return _Costs(
            patch=linear_flops(self.vision.patch_embed) + linear_flops(self.vision.blocks),
            group=sum(linear_flops(merger) for merger in mergers),
            token=linear_flops(self.language.layers) + self._expert_flops(),
            logits=linear_flops(self.model.lm_head),
        )

    def _expert_flops(self) -> int:
        """FLOPs a token of the experts and routers, which are bare parameters and not modules."""
        config = self.model.config.text_config
        sparse = sum(hasattr(layer.mlp, "experts") for layer in self.language.layers)
        if not sparse:
            return 0
        chosen = 3 * int(config.moe_intermediate_size) * int(config.num_experts_per_tok)
        return sparse * 2 * int(config.hidden_size) * (chosen + int(config.num_experts))

    def _no_tokens(self) -> VisualTokens:
        shape, hidden = self.kv_shape, self.model.config.text_config.hidden_size
        levels = len(self.vision.deepstack_merger_list)
        empty = torch.empty(levels, 0, hidden, dtype=shape.dtype, device=shape.device)
        return VisualTokens(torch.empty(0, hidden, dtype=shape.dtype, device=shape.device), empty)

    @lru_cache(maxsize=8)  # noqa: B019 - an adapter lives as long as the process
    def _places(self, grid: PatchGrid) -> tuple[Tensor, Tensor, Tensor]:
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

    def _video_ids(self) -> tuple[int, int, int]:
        config = self.model.config
        return config.vision_start_token_id, config.video_token_id, config.vision_end_token_id

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return ids

    def _text_segment(self, text: str) -> Segment:
        return self.text(self._ids(text))

    def _split_template(self) -> tuple[str, str]:
        """Renders the checkpoint's own chat template and cuts it where the video stands."""
        content = [{"type": "video"}, {"type": "text", "text": _QUESTION}]
        rendered = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
        start, video, end = self.tokenizer.convert_ids_to_tokens(list(self._video_ids()))
        before, found, after = rendered.partition(f"{start}{video}{end}")
        if not found or _QUESTION not in after:
            raise ModelError("the checkpoint's chat template does not place a video before text")
        return before, after


_QUESTION = "\x00question\x00"
