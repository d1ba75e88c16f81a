"""vLLM as a peer of CoStream: what it is told, and how its windows are laid out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from costream.engine.schedule import Window
from costream.errors import ModelError, SettingsError
from costream.lab.evaluate.vllm_process import VllmProcess
from costream.models import FrameGeometry, ModelAdapter, Timestamp
from costream.video import Picture

FAMILIES = ("qwen3_vl", "qwen3_vl_moe")
"""Model types whose windows we lay out for vLLM."""

_LABEL_TOKENS = 32
"""More than a frame's timestamp takes, with its start and its end."""


class VllmPeer:
    """vLLM on one stream, with one question, all frames of every window from nothing.

    Frames are resized once each, here; normalising, patches, encoder and language model are vLLM's.

    Args:
        process: vLLM's, set up for this question.
        model: CoStream's model, which lays out the tokens that vLLM's are compared with.
        prompt: the question as the model is asked.
        geometry: how frames are cut.
        fps: sampling rate.
    """

    name = "vllm"

    def __init__(
        self,
        process: VllmProcess,
        model: ModelAdapter,
        prompt: str,
        geometry: FrameGeometry,
        fps: float,
    ) -> None:
        self._process = process
        self._model = model
        self._prompt = prompt
        self._geometry = geometry
        self._fps = fps
        self._frames: list[tuple[int, np.ndarray]] = []

    @property
    def setup(self) -> dict[str, Any]:
        """What the process says of itself: versions and threads."""
        return self._process.ready

    def step(self, window: Window) -> tuple[float, float]:
        """Answers a window; returns the log odds of yes, and the seconds that took.

        Raises:
            ModelError: vLLM stopped, or lays the window out in other tokens.
        """
        begun = perf_counter()
        self._frames = [frame for frame in self._frames if frame[0] >= window.start]
        for tubelet in window.arrivals:
            pictures = [sample.picture for sample in tubelet.samples]
            self._frames += self._resized(tubelet.tick, pictures)
        frames = np.stack([pixels for _, pixels in self._frames])
        resizing = perf_counter() - begun
        first = self._frames[0][0]
        answer = self._process.answer(frames, [tick - first for tick, _ in self._frames])
        if answer["ids"] != self._ids():
            raise ModelError(
                "vLLM lays the window out in other tokens than the stock model: compare with "
                "another release of vLLM"
            )
        return answer["yes"] - answer["no"], resizing + float(answer["seconds"])

    def _resized(self, tick: int, pictures: Sequence[Picture]) -> Iterator[tuple[int, np.ndarray]]:
        """Yields a temporal patch's frames with their ticks; a missing last one is repeated."""
        shown = [_resize(picture, self._geometry) for picture in pictures]
        for offset in range(self._model.temporal_patch):
            yield tick + offset, shown[min(offset, len(shown) - 1)]

    def _ids(self) -> list[int]:
        """Returns the window's tokens as the stock model is given them."""
        model, patch = self._model, self._model.temporal_patch
        whole = torch.ones(self._geometry.grid.groups, dtype=torch.bool)
        first, ids = self._frames[0][0], [model.prompt().ids]
        for index, (tick, _) in enumerate(self._frames[::patch]):
            time = (tick - first + (patch - 1) / 2) / self._fps
            timestamp = Timestamp(index, time, patch / self._fps)
            ids.append(model.frame(timestamp, whole, self._geometry).ids)
        laid_out: list[int] = torch.cat([*ids, model.question(self._prompt).ids]).tolist()
        return laid_out


def vllm_setup(
    model: ModelAdapter, prompt: str, frames: int, geometry: FrameGeometry, fps: float
) -> dict[str, Any]:
    """Returns what vLLM is told of a model and a question.

    Args:
        model: CoStream's.
        prompt: the question as the model is asked.
        frames: of a window.
        geometry: how they are cut.
        fps: sampling rate.

    Raises:
        SettingsError: vLLM is not compared on this family.
    """
    config = model.model.config
    if config.model_type not in FAMILIES:
        raise SettingsError(
            f"vLLM is compared on Qwen3-VL alone, not on {config.model_type!r}: leave out "
            "--vllm-python"
        )
    head, tail = model.prompt().ids.tolist(), model.question(prompt).ids.tolist()
    patches = -(-frames // model.temporal_patch)
    return {
        "max_tokens": len(head) + patches * (geometry.grid.groups + _LABEL_TOKENS) + len(tail) + 1,
        "head": head,
        "tail": tail,
        "video": [config.vision_start_token_id, config.video_token_id, config.vision_end_token_id],
        "yes": model.yes_ids.tolist(),
        "no": model.no_ids.tolist(),
        "fps": fps,
    }


def _resize(picture: Picture, geometry: FrameGeometry) -> np.ndarray:
    """Returns uint8 [height, width, 3], resized as the published preprocessing does it."""
    frame = torch.from_numpy(picture.rgb()).permute(2, 0, 1)[None]
    resized: Tensor = torch.nn.functional.interpolate(
        frame,
        size=(geometry.height, geometry.width),
        mode="bicubic",
        align_corners=False,
        antialias=True,
    )
    pixels: np.ndarray = resized[0].permute(1, 2, 0).contiguous().numpy()
    return pixels
