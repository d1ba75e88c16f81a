"""Qwen2.5-VL on the stock ``transformers`` class.

Covered: video input with pruned patches, attention in windows of the picture, absolute time on the
first of three rotary axes. Not covered: still images beside the video, several videos in a prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor
from transformers import (
    PretrainedConfig,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
)
from transformers.vision_utils import get_vision_position_ids

from costream.models.base import MODELS
from costream.models.checkpoint import load_tokenizer, load_weights, read_preprocessing
from costream.models.encoder import EncodeJob, MemoryShape, VisualTokens
from costream.models.encoder_memory import (
    AttentionMetadata,
    SequenceMetadata,
    places,
    set_attention,
)
from costream.models.flops import linear_flops, packed_attention_flops
from costream.models.layout import Segment, Timestamp
from costream.models.patch_embedding import embed_by_matmul
from costream.models.pixels import normalise
from costream.models.stock import StockAdapter
from costream.models.untrained import SIZES, ModelSize
from costream.models.upload import upload
from costream.preprocessing import FrameGeometry, QwenPreprocessing
from costream.pruning import PatchGrid


@dataclass(frozen=True, slots=True)
class _FrameSettings:
    """What the checkpoint says of preprocessing.

    Attributes:
        min_pixels: fewest pixels of a frame.
        max_pixels: most pixels of a frame.
        mean: ``image_mean``, on the scale 0..1.
        std: ``image_std``, on the scale 0..1.
    """

    min_pixels: int
    max_pixels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> _FrameSettings:
        """Reads the configuration, whose older form names the pixels outside of ``size``."""
        size = values.get("size", {})
        return cls(
            min_pixels=int(values.get("min_pixels") or size["shortest_edge"]),
            max_pixels=int(values.get("max_pixels") or size["longest_edge"]),
            mean=tuple(map(float, values["image_mean"])),
            std=tuple(map(float, values["image_std"])),
        )


@MODELS.register("qwen2_5_vl")
class Qwen25VLAdapter(StockAdapter):
    """Qwen2.5-VL.

    A video has no text between its frames: they lie over each other in rows and columns, and only
    time tells them apart. So the window slides along the axis of time alone; the text behind it
    keeps its distance from the frames' rows and columns. It begins behind the largest position of
    the video, as published; ``get_rope_index`` of ``transformers`` 5.23 begins it behind the
    largest row or column, in the midst of a long video's time.
    """

    model_types = ("qwen2_5_vl",)
    axes = 3

    def __init__(
        self, model: Any, tokenizer: PreTrainedTokenizerBase, frame_settings: _FrameSettings
    ) -> None:
        self._video = int(model.config.video_token_id)
        # One a geometry; held by the adapter, so that both go together.
        self._places = lru_cache(maxsize=64)(self._compute_places)
        super().__init__(model, tokenizer, str(tokenizer.convert_ids_to_tokens(self._video)))
        self.vision = model.model.visual
        config = model.config.vision_config
        self.patch: int = config.patch_size
        self.merge: int = config.spatial_merge_size
        self.preprocessing = QwenPreprocessing(
            patch=self.patch,
            merge=self.merge,
            temporal_patch=config.temporal_patch_size,
            mean=frame_settings.mean,
            std=frame_settings.std,
            context=self._context(),
            pixels=(frame_settings.min_pixels, frame_settings.max_pixels),
        )
        set_attention(self.vision)
        embed_by_matmul(self.vision.patch_embed)

    @classmethod
    def load(
        cls, path: str, config: PretrainedConfig, *, device: torch.device, dtype: torch.dtype
    ) -> Qwen25VLAdapter:
        """Loads a checkpoint: see :meth:`ModelAdapter.load`."""
        model = load_weights(
            Qwen2_5_VLForConditionalGeneration, path, config, device=device, dtype=dtype
        )
        return cls(model, load_tokenizer(path), read_preprocessing(path, _FrameSettings.parse))

    def encode(self, jobs: Sequence[EncodeJob]) -> list[VisualTokens]:
        device, group = self.kv_shape.device, self.merge**2
        groups = [int(job.kept.sum()) for job in jobs]
        if not any(groups):
            return [self.no_tokens() for _ in jobs]
        values = upload(torch.cat([job.patches for job in jobs]), device)
        grids = [self._places(job.geometry.grid) for job in jobs]
        windows = [of[job.kept] for job, (_, of) in zip(jobs, grids, strict=True)]
        rows_cols = [of[job.kept.repeat_interleave(group)]
                     for job, (of, _) in zip(jobs, grids, strict=True)]  # fmt: skip
        order, window_bounds = _in_windows(windows)
        frame_bounds = torch.tensor([0, *(n for n in groups if n)]).cumsum(0)
        out = self.vision(
            normalise(values, self.preprocessing).to(self.kv_shape.dtype),
            grid_thw=None,
            position_ids=upload(torch.cat(rows_cols), device),
            # Bounds stay on the CPU: each layer reads the lengths there.
            cu_seqlens=(frame_bounds * group).to(torch.int32),
            window_index=upload(order, device),
            cu_window_seqlens=(window_bounds * group).to(torch.int32),
            attention_metadata=self._attention_metadata(jobs),
        )
        embeds = torch.split(out.pooler_output, groups)
        return [VisualTokens(part, part.new_empty(0, *part.shape)) for part in embeds]

    def frame(self, timestamp: Timestamp, kept: Tensor, geometry: FrameGeometry) -> Segment:
        cols = geometry.grid.group_shape[1]
        groups = kept.nonzero().squeeze(1)
        ids = torch.full_like(groups, self._video)
        # Rows and columns are counted from the prompt's end: their axes stand still.
        places = torch.stack([groups // cols, groups % cols]) + self._prompt_tokens
        positions = torch.cat([torch.zeros_like(groups)[None], places])
        span = self._time(timestamp.index + 1, timestamp) - self._time(timestamp.index, timestamp)
        return Segment(ids, torch.ones_like(ids, dtype=torch.bool), positions, span)

    def start(self, position: int) -> Tensor:
        return torch.tensor([[position], [0], [0]])

    def text_start(self, first: int, last: int, end: int, geometry: FrameGeometry) -> Tensor:
        behind = max(last - first, *(side - 1 for side in geometry.grid.group_shape)) + 1
        return torch.tensor([[first + behind], *[[self._prompt_tokens + behind]] * 2])

    def moving_frequencies(self) -> Tensor:
        rotary = self.language.rotary_emb
        frequencies: Tensor = rotary.inv_freq.float().clone()
        # The sections are time, row, column.
        frequencies[rotary.mrope_section[0] :] = 0
        return frequencies

    def memory_shape(self, geometry: FrameGeometry) -> MemoryShape:
        config, grid = self.model.config.vision_config, geometry.grid
        return MemoryShape(config.depth, grid.rows * grid.cols, config.hidden_size)

    def vision_flops(self, patches: Sequence[int], seen: Sequence[int]) -> int:
        """See :meth:`ModelAdapter.vision_flops`.

        Windows count as full ones, for want of knowing how the patches spread over them: an upper
        bound for pruned frames and for grids that windows don't divide.
        """
        config, total = self.model.config.vision_config, sum(patches)
        heads, head_dim = config.num_heads, config.hidden_size // config.num_heads
        window = (config.window_size // self.patch) ** 2
        near_seen = [min(keys, window) for keys in seen]
        near = packed_attention_flops(patches, near_seen, heads, head_dim)
        far = packed_attention_flops(patches, seen, heads, head_dim)
        whole = len(config.fullatt_block_indexes)
        patch, group = self._vision_costs
        attention = (int(config.depth) - whole) * near + whole * far
        return total * patch + total // self.merge**2 * group + attention

    @cached_property
    def _vision_costs(self) -> tuple[int, int]:
        """FLOPs of the weights for one patch and for one merge group."""
        patch = linear_flops(self.vision.patch_embed) + linear_flops(self.vision.blocks)
        return patch, linear_flops(self.vision.merger)

    def _attention_metadata(self, jobs: Sequence[EncodeJob]) -> AttentionMetadata:
        """Returns what is attended to in layers that see windows, and in those that see frames."""
        near: list[SequenceMetadata] = []
        far: list[SequenceMetadata] = []
        for job in jobs:
            _, windows = self._places(job.geometry.grid)
            of_patch = windows.repeat_interleave(self.merge**2)
            mask = job.kept.repeat_interleave(self.merge**2)
            known = places(mask if job.memory is None else job.memory.extend(mask))
            fresh, seen = _by_window(places(mask), of_patch), _by_window(known, of_patch)
            near += [
                SequenceMetadata.of(job.memory, part, seen[n], len(mask))
                for n, part in fresh.items()
            ]
            # The encoder goes through a frame window by window.
            if fresh:
                whole = torch.cat(list(fresh.values()))
                far.append(SequenceMetadata.of(job.memory, whole, known, len(mask)))
        layers = self.model.config.vision_config.fullatt_block_indexes
        return AttentionMetadata(
            {block.attn: far if layer in layers else near
             for layer, block in enumerate(self.vision.blocks)},
            self.kv_shape.device,
        )  # fmt: skip

    @cached_property
    def _prompt_tokens(self) -> int:
        return len(self.prompt())

    def _time(self, index: int, timestamp: Timestamp) -> int:
        """Returns the position in time of the temporal patch of that index, from the video's."""
        return int(index * self.model.config.vision_config.tokens_per_second * timestamp.interval)

    def _context(self) -> int:
        """Returns the tokens that a window may take.

        Its frames lie over each other, so that tokens don't take a position each: the largest
        position, which one published configuration says is 8192, is not what bounds them.
        """
        positions = int(self.text_config.max_position_embeddings)
        said = int(self.tokenizer.model_max_length)
        # A tokenizer that says nothing says 10**30.
        return max(positions, said) if said < 10**9 else positions

    def _compute_places(self, grid: PatchGrid) -> tuple[Tensor, Tensor]:
        """Row and column of every patch of a grid, and the attention window of every group."""
        side = self.model.config.vision_config.window_size // self.merge // self.patch
        rows, cols = grid.group_shape
        across = -(-cols // side)
        row, col = torch.arange(rows) // side, torch.arange(cols) // side
        windows = (row[:, None] * across + col).flatten()
        thw = torch.tensor([[1, grid.rows, grid.cols]])
        return get_vision_position_ids(thw, self.merge), windows


def _by_window(patches: Tensor, windows: Tensor) -> dict[int, Tensor]:
    """Returns patches by their attention window, those of a window in the order that they have.

    Args:
        patches: int64 [patches].
        windows: the window of every patch of the grid, int64.
    """
    ordered = patches[windows[patches].argsort(stable=True)]
    numbers, counts = torch.unique_consecutive(windows[ordered], return_counts=True)
    return dict(zip(numbers.tolist(), torch.split(ordered, counts.tolist()), strict=True))


def _in_windows(frames: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Orders groups by frame and attention window.

    Args:
        frames: for each frame the window of each of its kept groups, int64 [groups].

    Returns:
        The groups in that order, int64 [groups], and the bounds of the windows that have any.
    """
    frame = torch.cat([torch.full_like(windows, n) for n, windows in enumerate(frames)])
    window = torch.cat(list(frames))
    place = frame * (int(window.max()) + 1) + window
    _, counts = torch.unique(place, return_counts=True)
    return place.argsort(stable=True), torch.cat([counts.new_zeros(1), counts.cumsum(0)])


@dataclass(frozen=True)
class Qwen25VLSize(ModelSize):
    """Dimensions of an untrained Qwen2.5-VL.

    Attributes:
        whole: layers of the encoder whose attention goes over the whole picture.
    """

    chat_template = """\
{%- for message in messages -%}
{%- if loop.first and message.role != 'system' -%}<|im_start|>system
You are a helpful assistant.<|im_end|>
{% endif -%}
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

    whole: tuple[int, ...]

    def build(self, tokenizer: PreTrainedTokenizerFast) -> Qwen2_5_VLForConditionalGeneration:
        start, end, image, video = tokenizer.convert_tokens_to_ids(list(self.special_tokens))
        config = Qwen2_5_VLConfig(
            text_config=self.text_config(tokenizer),
            vision_config=self._vision_config(),
            image_token_id=image,
            video_token_id=video,
            vision_start_token_id=start,
            vision_end_token_id=end,
            tie_word_embeddings=True,
        )
        return Qwen2_5_VLForConditionalGeneration(config)

    def preprocessing(self) -> dict[str, Any]:
        return {
            "min_pixels": 3136,
            "max_pixels": 12_845_056,
            "patch_size": 14,
            "temporal_patch_size": 2,
            "merge_size": 2,
            "image_mean": [0.48145466, 0.4578275, 0.40821073],
            "image_std": [0.26862954, 0.26130258, 0.27577711],
            "video_processor_type": "Qwen2VLVideoProcessor",
        }

    def text_config(self, tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
        half = self.hidden // self.heads // 2
        sections = [half - 2 * (3 * half // 8), 3 * half // 8, 3 * half // 8]
        rope = {"rope_type": "default", "rope_theta": 1_000_000.0, "mrope_section": sections}
        context = {"max_position_embeddings": 128_000}
        return {**super().text_config(tokenizer), **context, "rope_parameters": rope}

    def _vision_config(self) -> dict[str, Any]:
        return {
            "depth": self.vision_depth,
            "hidden_size": self.vision_hidden,
            "intermediate_size": 4 * self.vision_hidden,
            "num_heads": self.vision_heads,
            "out_hidden_size": self.hidden,
            "fullatt_block_indexes": list(self.whole),
            "tokens_per_second": 2,
            "window_size": 112,
        }


SIZES["qwen2.5-test"] = Qwen25VLSize(64, 3, 128, 4, 2, 32, 3, 2, (1,))
SIZES["qwen2.5-150m"] = Qwen25VLSize(768, 14, 2432, 12, 4, 512, 10, 8, (4, 9))
