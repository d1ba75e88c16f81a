"""The stock ``transformers`` classes on whole windows: what CoStream is compared with.

No pruning, no cache, the class's own forward, on the weights of an adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from costream.errors import SettingsError
from costream.models import FrameGeometry, ModelAdapter, Segment, Timestamp
from costream.models.pixels import unpatchify
from costream.pruning import PatchGrid


@dataclass(frozen=True, slots=True)
class WholeWindow:
    """A window with nothing pruned, and a question.

    Attributes:
        pixels: the :meth:`ModelAdapter.pixels` of each temporal patch.
        timestamps: where each stands; the first at the beginning.
        question: what is asked.
        geometry: how frames are cut.
    """

    pixels: Sequence[Tensor]
    timestamps: Sequence[Timestamp]
    question: str
    geometry: FrameGeometry

    def segments(self, model: ModelAdapter) -> list[Segment]:
        """Lays it out: prompt, temporal patches, question."""
        return whole_segments(model, self.timestamps, self.question, self.geometry)


@torch.inference_mode()
def stock_logits(model: ModelAdapter, window: WholeWindow) -> Tensor:
    """Runs the stock class on a window, from nothing.

    Args:
        model: the adapter whose weights it takes.
        window: the window.

    Returns:
        The logits at the first answer token: [vocabulary].

    Raises:
        SettingsError: it is not known how the family's class is called.
    """
    kind = model.model.config.model_type
    if kind not in _INPUTS:
        raise SettingsError(
            f"models of type {kind!r} are not compared with the stock class: choose one of "
            + ", ".join(sorted(_INPUTS))
        )
    segments, device = window.segments(model), model.kv_shape.device
    inputs = {"input_ids": ids_of(segments), **_INPUTS[kind](model, window, segments)}
    moved = {name: tensor.to(device) for name, tensor in inputs.items()}
    logits: Tensor = model.model(**moved, logits_to_keep=1).logits
    return logits[0, -1]


def whole_segments(
    model: ModelAdapter, timestamps: Sequence[Timestamp], question: str, geometry: FrameGeometry
) -> list[Segment]:
    """Lays out a window with nothing pruned: prompt, temporal patches, question."""
    whole = torch.ones(geometry.grid.groups, dtype=torch.bool)
    frames = [model.frame(timestamp, whole, geometry) for timestamp in timestamps]
    return [model.prompt(), *frames, model.question(question)]


def ids_of(segments: Sequence[Segment]) -> Tensor:
    """Returns the ids of segments as stock classes take them: int64 [1, tokens]."""
    return torch.cat([segment.ids for segment in segments])[None]


def positions_of(
    model: ModelAdapter, segments: Sequence[Segment], geometry: FrameGeometry
) -> Tensor:
    """Returns the positions of a window that positions begin with: int64 [axes, tokens]."""
    prompt, *frames, question = segments
    starts = [len(prompt)]
    for frame in frames:
        starts.append(starts[-1] + frame.span)
    begins = [model.start(position) for position in (0, *starts[:-1])]
    begins.append(model.text_start(starts[0], starts[-2], starts[-1], geometry))
    moved = [s.positions + b for s, b in zip([prompt, *frames, question], begins, strict=True)]
    return torch.cat(moved, dim=1)


def _patches(model: ModelAdapter, window: WholeWindow) -> dict[str, Tensor]:
    grid = window.geometry.grid
    return {
        "pixel_values_videos": torch.cat(list(window.pixels)).to(model.kv_shape.dtype),
        "video_grid_thw": torch.tensor([[len(window.pixels), grid.rows, grid.cols]]),
    }


def _qwen3_vl(
    model: ModelAdapter, window: WholeWindow, segments: Sequence[Segment]
) -> dict[str, Tensor]:
    # The processor's code for video tokens is 2.
    kinds = (ids_of(segments) == model.model.config.video_token_id).int() * 2
    return {**_patches(model, window), "mm_token_type_ids": kinds}


def _qwen2_5_vl(
    model: ModelAdapter, window: WholeWindow, segments: Sequence[Segment]
) -> dict[str, Tensor]:
    positions = positions_of(model, segments, window.geometry)[:, None]
    return {**_patches(model, window), "position_ids": positions}


def _frames(model: ModelAdapter, window: WholeWindow, grid: PatchGrid) -> Tensor:
    patch = model.model.config.vision_config.patch_size
    side = patch if isinstance(patch, int) else patch[0]
    frames = [unpatchify(frame, side, grid) for frame in window.pixels]
    return torch.stack(frames).to(model.kv_shape.dtype)


def _internvl(
    model: ModelAdapter, window: WholeWindow, segments: Sequence[Segment]
) -> dict[str, Tensor]:
    return {"pixel_values": _frames(model, window, window.geometry.grid)}


def _llava_onevision(
    model: ModelAdapter, window: WholeWindow, segments: Sequence[Segment]
) -> dict[str, Tensor]:
    config = model.model.config.vision_config
    side = config.image_size // config.patch_size
    frames = _frames(model, window, PatchGrid(side, side, merge=1))
    return {"pixel_values_videos": frames[None]}


_INPUTS: dict[str, Callable[[ModelAdapter, WholeWindow, Sequence[Segment]], dict[str, Tensor]]] = {
    "qwen3_vl": _qwen3_vl,
    "qwen3_vl_moe": _qwen3_vl,
    "qwen2_5_vl": _qwen2_5_vl,
    "internvl": _internvl,
    "llava_onevision": _llava_onevision,
}
"""By ``model_type``: what a class takes beside the ids."""
