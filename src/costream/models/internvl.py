"""InternVL3 and its kin in the ``-hf`` layout, on the stock ``transformers`` class.

Covered: InternVL3, InternVL3.5 and those InternVL2.5 whose language model is Qwen2, Qwen2.5, Qwen3
or Qwen3-MoE; one square tile a frame, as the published video processor cuts it; pruned patches.
Not covered: several tiles a picture, other language models, still images beside the video.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import (
    InternVLConfig,
    InternVLForConditionalGeneration,
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
from costream.preprocessing import FrameGeometry, TilePreprocessing
from costream.pruning import PatchGrid


@MODELS.register("internvl")
class InternVLAdapter(StockAdapter):
    """InternVL with one tile a frame.

    A frame is laid out as the published processor does it: ``Frame7: ``, a start token, its visual
    tokens, an end token, a line break. Its number counts from the position base and not
    within the window, so the text of a frame stays what it was when the window slides: the numbers
    of a window begin anywhere and follow each other. A full refresh begins at 1 again.
    """

    model_types = ("internvl",)

    def __init__(
        self, model: Any, tokenizer: PreTrainedTokenizerBase, pixels: TileSettings
    ) -> None:
        names = ("start_image_token", "end_image_token", "video_token")
        if missing := [name for name in names if not hasattr(tokenizer, name)]:
            raise ModelError(f"the checkpoint's tokenizer does not say what its {missing[0]} is")
        self._start, self._end, video = (str(getattr(tokenizer, name)) for name in names)
        # One a geometry; held by the adapter, so that both go together.
        self._places = lru_cache(maxsize=64)(self._compute_places)
        super().__init__(model, tokenizer, video)
        if not self._after.startswith("\n"):
            raise ModelError("the checkpoint's chat template has no line break after a video")
        # It closes the last frame, as those between the frames close the others.
        self._after = self._after[1:]
        self.vision = model.model.vision_tower
        self.projector = model.model.multi_modal_projector
        self.patch: int = model.config.vision_config.patch_size[0]
        self.merge: int = round(1 / model.config.downsample_ratio)
        self.preprocessing = TilePreprocessing(
            patch=self.patch,
            merge=self.merge,
            temporal_patch=1,
            mean=pixels.mean,
            std=pixels.std,
            context=int(self.text_config.max_position_embeddings),
            tile=(pixels.width, pixels.height),
        )

    @classmethod
    def load(
        cls, path: str, config: PretrainedConfig, *, device: torch.device, dtype: torch.dtype
    ) -> InternVLAdapter:
        """Loads a checkpoint: see :meth:`ModelAdapter.load`."""
        _check_config(config)
        model = load_weights(
            InternVLForConditionalGeneration, path, config, device=device, dtype=dtype
        )
        return cls(model, load_tokenizer(path), read_preprocessing(path, TileSettings.parse))

    def encode(self, jobs: Sequence[EncodeJob]) -> list[VisualTokens]:
        groups = [int(job.kept.sum()) for job in jobs]
        if not any(groups):
            return [self.no_tokens() for _ in jobs]
        encoded = [job for job, count in zip(jobs, groups, strict=True) if count]
        kept = [job.kept.repeat_interleave(self.merge**2) for job in encoded]
        # Each frame has its class token in front.
        frames = [(job.memory, functional.pad(mask, (1, 0), value=True))
                  for job, mask in zip(encoded, kept, strict=True)]  # fmt: skip
        lengths = [int(mask.sum()) for _, mask in frames]
        metadata = AttentionMetadata.of_frames(
            frames, self.vision.encoder.layer, self.kv_shape.device
        )
        hidden = self._run_encoder(self._embed_patches(encoded, kept), lengths, metadata)
        # Behind the encoder the class token of each frame, its first one, is of no more use.
        patches = torch.cat([frame[1:] for frame in torch.split(hidden, lengths)])
        # A group's patches follow each other, which is the order of the stock pixel shuffle.
        embeds = self.projector(patches.view(sum(groups), -1))
        return [
            VisualTokens(part, part.new_empty(0, *part.shape))
            for part in torch.split(embeds, groups)
        ]

    def frame(self, timestamp: Timestamp, kept: Tensor, geometry: FrameGeometry) -> Segment:
        label = self.ids(f"Frame{timestamp.index + 1}: {self._start}")
        close = self.ids(f"{self._end}\n")
        context = self.model.config.image_token_id
        ids = torch.tensor([*label, *[context] * int(kept.sum()), *close])
        lead, behind = len(label), len(label) + len(kept)
        positions = torch.cat(
            [
                torch.arange(lead),
                kept.nonzero().squeeze(1) + lead,
                torch.arange(behind, behind + len(close)),
            ]
        )
        return Segment(ids, ids == context, positions[None], span=behind + len(close))

    def memory_shape(self, geometry: FrameGeometry) -> MemoryShape:
        config, grid = self.model.config.vision_config, geometry.grid
        # The class token is remembered, too.
        return MemoryShape(config.num_hidden_layers, grid.rows * grid.cols + 1, config.hidden_size)

    def vision_flops(self, patches: Sequence[int], seen: Sequence[int]) -> int:
        config = self.model.config.vision_config
        # Every frame has a class token, unless nothing of it is encoded.
        lengths = [count + 1 for count in patches if count]
        keys = [there + 1 for there, count in zip(seen, patches, strict=True) if count]
        head_dim = config.hidden_size // config.num_attention_heads
        attention = packed_attention_flops(lengths, keys, config.num_attention_heads, head_dim)
        patch, token, group = self._vision_costs
        groups = sum(patches) // self.merge**2
        layers = sum(lengths) * token + int(config.num_hidden_layers) * attention
        return sum(patches) * patch + layers + groups * group

    @cached_property
    def _vision_costs(self) -> tuple[int, int, int]:
        """FLOPs of the weights for one patch, one token of the encoder, one merge group."""
        modules = (self.vision.embeddings, self.vision.encoder, self.projector)
        patch, token, group = (linear_flops(module) for module in modules)
        return patch, token, group

    def _embed_patches(self, jobs: Sequence[EncodeJob], kept: Sequence[Tensor]) -> Tensor:
        """Returns the class token and the kept patches of each frame: [tokens, hidden].

        Args:
            jobs: those of which something is kept.
            kept: their patches, bool [patches] each.
        """
        project, device = self.vision.embeddings.patch_embeddings.projection, self.kv_shape.device
        values = upload(torch.cat([job.patches for job in jobs]), device)
        patches = embed_patches(project, normalise(values, self.preprocessing))
        lengths = [len(job.patches) for job in jobs]
        at = upload(torch.cat([places(mask) for mask in kept]), device)
        tokens: list[Tensor] = []
        for job, part, where in zip(
            jobs, torch.split(patches, lengths), torch.split(at, lengths), strict=True
        ):
            first, added = self._places(job.geometry.grid)
            tokens += [first, part + added[where]]
        return torch.cat(tokens)

    def _run_encoder(
        self, hidden: Tensor, lengths: Sequence[int], metadata: AttentionMetadata
    ) -> Tensor:
        """Runs the encoder's layers over frames that don't see each other: [tokens, hidden]."""
        for layer in self.vision.encoder.layer:
            attended = partial(metadata.attended, layer)
            rows = layer.layernorm_before(hidden)
            mixed = self._attend(layer.attention, rows, lengths, attended)
            hidden = hidden + layer.lambda_1 * mixed
            hidden = hidden + layer.lambda_2 * layer.mlp(layer.layernorm_after(hidden))
        normed: Tensor = self.vision.layernorm(hidden)
        return normed

    def _attend(
        self, attention: Any, rows: Tensor, lengths: Sequence[int], attended: Attended
    ) -> Tensor:
        """The stock attention, which knows no packed sequences, over packed sequences."""
        queries = attention.q_norm(attention.q_proj(rows))
        keys = attention.k_norm(attention.k_proj(rows))
        values = attention.v_proj(rows)
        mixed = packed_attention(queries, keys, values, attention.num_heads, lengths, attended)
        projected: Tensor = attention.projection_layer(mixed)
        return projected

    def _compute_places(self, grid: PatchGrid) -> tuple[Tensor, Tensor]:
        """Returns the class token [1, hidden] and what is added to each patch of a whole frame.

        The second, [patches, hidden], is in the order of patches: group by group.
        """
        embeddings, side = self.vision.embeddings, grid.rows * self.patch
        hidden = int(self.model.config.vision_config.hidden_size)
        blank = embeddings.cls_token.new_empty(1, 1 + grid.rows * grid.cols, hidden)
        places = embeddings.interpolate_pos_encoding(blank, side, side)[0]
        rows, cols = grid.group_shape
        squares = places[1:].view(rows, self.merge, cols, self.merge, hidden).transpose(1, 2)
        return embeddings.cls_token[0] + places[:1], squares.reshape(-1, hidden)


def _check_config(config: PretrainedConfig) -> None:
    check_text_model("InternVL", config)
    if config.vision_feature_layer != -1 or config.vision_feature_select_strategy != "default":
        raise ModelError("InternVL is supported only with the features of its last vision layer")


@dataclass(frozen=True)
class InternVLSize(ModelSize):
    """Dimensions of an untrained InternVL.

    Attributes:
        text: ``model_type`` of its language model.
        image_size: side of a frame's tile in pixels.
        patch_size: side of a patch in pixels.
        rope_theta: base of the language model's rotary frequencies.
    """

    chat_template = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.content is string %}{{ message.content }}{% else -%}
{%- for part in message.content -%}
{%- if part.type == 'video' -%}<video>
{% elif part.type == 'image' -%}<IMG_CONTEXT>
{% else -%}{{ part.text }}{%- endif -%}
{%- endfor -%}
{%- endif %}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% endif -%}"""

    special_tokens = ("<img>", "</img>", "<IMG_CONTEXT>", "<video>")
    named_tokens = MappingProxyType(
        {
            "start_image_token": "<img>",
            "end_image_token": "</img>",
            "context_image_token": "<IMG_CONTEXT>",
            "video_token": "<video>",
        }
    )

    text: str = "qwen2"
    image_size: int = 448
    patch_size: int = 14
    rope_theta: float = 10_000.0

    def build(self, tokenizer: PreTrainedTokenizerFast) -> InternVLForConditionalGeneration:
        config = InternVLConfig(
            text_config={"model_type": self.text, **self.text_config(tokenizer)},
            vision_config=self._vision_config(),
            image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
            image_seq_length=(self.image_size // self.patch_size // 2) ** 2,
            tie_word_embeddings=True,
        )
        model = InternVLForConditionalGeneration(config)
        # The stock class begins with zeros here, which would hide a patch in the wrong place.
        embeddings = model.model.vision_tower.embeddings
        torch.nn.init.normal_(embeddings.position_embeddings, std=0.02)
        torch.nn.init.normal_(embeddings.cls_token, std=0.02)
        return model

    def text_config(self, tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
        rope = {"rope_type": "default", "rope_theta": self.rope_theta}
        return {**super().text_config(tokenizer), "rope_parameters": rope}

    def preprocessing(self) -> dict[str, Any]:
        return {
            "size": {"height": self.image_size, "width": self.image_size},
            "image_mean": [0.485, 0.456, 0.406],
            "image_std": [0.229, 0.224, 0.225],
            "resample": 3,
            "video_processor_type": "InternVLVideoProcessor",
        }

    def _vision_config(self) -> dict[str, Any]:
        return {
            "hidden_size": self.vision_hidden,
            "num_hidden_layers": self.vision_depth,
            "num_attention_heads": self.vision_heads,
            "intermediate_size": 4 * self.vision_hidden,
            "attention_bias": True,
            "image_size": [self.image_size, self.image_size],
            "patch_size": [self.patch_size, self.patch_size],
        }


SIZES["internvl-test"] = InternVLSize(64, 3, 128, 4, 2, 32, 3, 2, image_size=96, patch_size=16)
# Language model: widths and rotary base of Qwen3-VL's tiny, from whose weights it begins.
SIZES["internvl-tiny"] = InternVLSize(
    192, 4, 512, 6, 2, 192, 4, 6, "qwen3", image_size=360, patch_size=20, rope_theta=5_000_000.0
)
SIZES["internvl-150m"] = InternVLSize(768, 15, 2432, 12, 4, 512, 12, 8)
