"""How many cameras fit: by memory, by computation, by decoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from costream.engine.camera import Camera
from costream.engine.row_shape import RowShape
from costream.engine.stream_cost import StreamCost, WindowLayout
from costream.models import FrameGeometry, ModelAdapter

TOKEN_BUDGET = 4096
"""Tokens of a batch: what is new in its windows, and their questions."""

DECODED_PIXELS = 1920 * 1080
"""Pixels of the frames that a core's speed of decoding is said for."""

_FLOAT32_BYTES = 4

_CHANNELS = 3


@dataclass(frozen=True, slots=True)
class Scratch:
    """Memory that streams share while a batch of their windows is computed, in bytes.

    Attributes:
        rows: of new tokens and questions, as if all of them had features.
        gathered: keys and values of one layer of one window, and which of them each token sees.
        activations: what a layer of either model writes for a batch, at most.
    """

    rows: int
    gathered: int
    activations: int

    @classmethod
    def of(
        cls,
        model: ModelAdapter,
        geometry: FrameGeometry,
        layout: WindowLayout,
        cost: StreamCost,
        row: RowShape,
    ) -> Scratch:
        """Counts the scratch of a batch of one kind of stream.

        Args:
            model: the model, which may have no weights.
            geometry: how the streams' pictures are cut.
            layout: their windows.
            cost: what one of them costs.
            row: a row of the pool.
        """
        # A window that is larger than the budget is a batch of its own.
        tokens = max(TOKEN_BUDGET, cost.rows.passing)
        itemsize = model.kv_shape.dtype.itemsize
        # What is stored in 8 bits is multiplied by its scales in float32.
        unpacking = 1 + _FLOAT32_BYTES if row.packed else 0
        window = layout.tokens * row.unit * (itemsize + unpacking)
        # A byte for each pair of tokens, and the mask in the type that attention adds it in.
        mask = tokens * layout.tokens * (1 + itemsize)
        patches = -(-model.memory_shape(geometry).places // layout.groups)
        vision = tokens * patches * _vision_layer_bytes(model, geometry)
        text = tokens * _text_layer_bytes(model) + _logits_bytes(model, layout, tokens)
        return cls(row.with_features(tokens), window + mask, max(vision, text))

    @property
    def bytes(self) -> int:
        """All of it."""
        return self.rows + self.gathered + self.activations


@dataclass(frozen=True, slots=True)
class Device:
    """What there is to watch cameras with.

    Attributes:
        memory: bytes for weights and streams.
        tflops: sustained 10**12 FLOPs a second, or None where nobody said.
        cores: cores that decode.
        decode_fps: frames of :data:`DECODED_PIXELS` that one of them decodes a second.
    """

    memory: int
    tflops: float | None
    cores: int
    decode_fps: float


def largest(scratch: Sequence[Scratch]) -> Scratch:
    """Returns scratch that serves streams of several kinds."""
    return Scratch(
        rows=max(part.rows for part in scratch),
        gathered=max(part.gathered for part in scratch),
        activations=max(part.activations for part in scratch),
    )


def cameras_by_memory(left: int, costs: Sequence[StreamCost]) -> int:
    """Returns how many cameras there is memory for, in equal parts of each kind.

    Args:
        left: bytes for them, behind what is shared; negative where that alone is too much.
        costs: what a camera of each kind costs.
    """
    return max(0, int(left / fmean(cost.bytes for cost in costs)))


def cameras_by_compute(speed: float, stride: float, costs: Sequence[StreamCost]) -> int:
    """Returns how many cameras' windows are computed as fast as they come.

    Args:
        speed: sustained FLOPs a second.
        stride: seconds from one window to the next.
        costs: what a camera of each kind costs.
    """
    return int(stride * speed / fmean(cost.flops for cost in costs))


def cameras_by_decoding(device: Device, cameras: Sequence[Camera]) -> int:
    """Returns how many cameras the cores decode, in equal parts of each kind.

    Args:
        device: what there is.
        cameras: one of each kind.
    """
    pixels = fmean(camera.width * camera.height * camera.fps for camera in cameras)
    return int(device.cores * device.decode_fps * DECODED_PIXELS / pixels)


def _text_layer_bytes(model: ModelAdapter) -> int:
    """Returns what the language model holds of a token at a time, at most.

    That is the residual beside what one half of a layer reads and writes: the norm, in float32; or
    queries, keys and values, plain, rotated and half-way; or the MLP, or each chosen expert's.
    """
    config, kv = model.model.config.text_config, model.kv_shape
    queries = config.num_attention_heads * kv.head_dim
    attention = 5 * queries + 4 * kv.kv_heads * kv.head_dim
    experts = getattr(config, "num_experts_per_tok", None) or 0
    expert = 4 * model.kv_shape.hidden + 5 * (getattr(config, "moe_intermediate_size", None) or 0)
    inner = max(attention, 4 * config.intermediate_size, experts * expert)
    return _layer_bytes(model.kv_shape.hidden, inner, kv.dtype.itemsize)


def _vision_layer_bytes(model: ModelAdapter, geometry: FrameGeometry) -> int:
    """Returns the same of the vision encoder, for a patch.

    Beside a layer that is the pixels, twice in float32 and in the encoder's type, and its place.
    """
    shape, itemsize = model.memory_shape(geometry), model.kv_shape.dtype.itemsize
    mlp = 4 * int(model.model.config.vision_config.intermediate_size)
    layer = _layer_bytes(shape.width, max(9 * shape.width, mlp), itemsize)
    frame = _CHANNELS * model.temporal_patch * geometry.width * geometry.height
    pixels = -(-frame // shape.places) * (2 * _FLOAT32_BYTES + itemsize)
    return layer + pixels + shape.width * _FLOAT32_BYTES


def _layer_bytes(width: int, inner: int, itemsize: int) -> int:
    return 3 * width * itemsize + max(3 * width * _FLOAT32_BYTES, inner * itemsize)


def _logits_bytes(model: ModelAdapter, layout: WindowLayout, tokens: int) -> int:
    """Returns what the logits take where a batch is full of questions, once more in float32."""
    asked = tokens // layout.question
    vocabulary = int(model.model.config.text_config.vocab_size)
    return asked * vocabulary * (_FLOAT32_BYTES + model.kv_shape.dtype.itemsize)
