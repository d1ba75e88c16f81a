"""The published way from frames to logits, written from the outside.

Nothing of CoStream is used here: text, preprocessing and forward pass are those of the stock
``transformers`` classes, so that the golden tests compare two independent paths.

What the stock processor lays out has two forms, by what of the template it replaces by the frames:
:data:`FORMS`. The golden tests hold CoStream to the released one.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForImageTextToText, AutoTokenizer, PreTrainedTokenizerBase
from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor

FORMS = {
    # The processor at the model's release, transformers 4.57: each frame has its own pair of
    # vision tokens, in the place of the template's pair.
    "released": "<|vision_start|><|video_pad|><|vision_end|>",
    # The processor of transformers 5.23: the template's pair stays, around all frames.
    "transformers 5.23": "<|video_pad|>",
}
"""What the stock Qwen3-VL processors replace by the frames of a video."""


def tokenizer_of(path: Path) -> PreTrainedTokenizerBase:
    """Returns a checkpoint's tokenizer, with the template that its processor would use."""
    tokenizer = AutoTokenizer.from_pretrained(path)
    if (older := path / "chat_template.json").exists():
        tokenizer.chat_template = json.loads(older.read_text())["chat_template"]
    return tokenizer


class Published:
    """The stock model of a checkpoint with the stock processor's steps around it."""

    def __init__(self, path: Path) -> None:
        self.model = AutoModelForImageTextToText.from_pretrained(path, dtype=torch.float32).eval()
        self.tokenizer = tokenizer_of(path)

    def logits(
        self, frames: list[np.ndarray], ask: str, *, fps: float, first_index: int = 0
    ) -> Tensor:
        """Returns the logits at the first answer token: [vocabulary].

        Args:
            frames: uint8 [height, width, 3], at the size that the model takes.
            ask: the question.
            fps: their rate.
            first_index: index of the first frame, which decides its timestamp.
        """
        pixels, grid = self._pixels(frames)
        indices = [first_index + index for index in range(len(frames))]
        ids = self._ids(indices, grid, ask, fps)
        with torch.inference_mode():
            logits: Tensor = self.model(
                input_ids=ids,
                pixel_values_videos=pixels,
                video_grid_thw=torch.tensor([grid]),
                mm_token_type_ids=(ids == self.model.config.video_token_id).int() * 2,
                logits_to_keep=1,
            ).logits
        return logits[0, -1]

    def _pixels(self, frames: list[np.ndarray]) -> tuple[Tensor, list[int]]:
        video = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)[None]
        # torchvision's normalize, with the factor 1/255 folded into mean and deviation.
        video = (video.float() - 0.5 * 255) / (0.5 * 255)
        patches, *grid = Qwen3VLVideoProcessor.patchify(
            SimpleNamespace(), video, patch_size=16, merge_size=2, temporal_patch_size=2
        )
        return patches[0], grid

    def _ids(
        self, indices: list[int], grid: list[int], ask: str, fps: float, form: str = "released"
    ) -> Tensor:
        content = [{"type": "video"}, {"type": "text", "text": ask}]
        text = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
        video = self._video_text(indices, grid, fps)
        assert FORMS[form] in text
        text = self.written(text.replace(FORMS[form], video))
        return self.tokenizer.encode(text, add_special_tokens=False, return_tensors="pt")

    def written(self, text: str) -> str:
        """What a user of the stock processor hands on of its text: all of it."""
        return text

    def _video_text(self, indices: list[int], grid: list[int], fps: float) -> str:
        """What the stock processor writes for a video."""
        processor = SimpleNamespace(
            video_processor=SimpleNamespace(merge_size=2, temporal_patch_size=2),
            vision_start_token="<|vision_start|>",
            vision_end_token="<|vision_end|>",
            video_token="<|video_pad|>",
        )
        processor._calculate_timestamps = lambda *args: Qwen3VLProcessor._calculate_timestamps(
            processor, *args
        )
        inputs = {
            "video_grid_thw": torch.tensor([grid]),
            "video_metadata": [SimpleNamespace(fps=fps, frames_indices=indices)],
        }
        text: str = Qwen3VLProcessor.replace_video_token(processor, inputs, 0)
        return text
