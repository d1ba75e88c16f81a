"""Stands in for vLLM in ``costream bench peers``: the same calls, answered by the stock class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from tests.models.published import Published

__version__ = "0.fake"


@dataclass
class SamplingParams:
    max_tokens: int
    temperature: float
    logprobs: int
    logprob_token_ids: list[int]


class LLM:
    """Takes no argument but those that it is to be given."""

    def __init__(
        self,
        *,
        model: str,
        dtype: str,
        max_model_len: int,
        max_num_batched_tokens: int,
        max_num_seqs: int,
        enable_prefix_caching: bool,
        limit_mm_per_prompt: dict[str, int],
        skip_mm_profiling: bool,
    ) -> None:
        assert dtype == "float32" and enable_prefix_caching and skip_mm_profiling
        assert (Path(model) / "preprocessor_config.json").exists()
        self._limit = max_model_len
        self._published = Published(Path(model))
        print("what vLLM prints is no answer")

    def generate(
        self, prompt: dict[str, Any], sampling: SamplingParams, use_tqdm: bool
    ) -> list[SimpleNamespace]:
        assert sampling.max_tokens == 1 and sampling.logprobs == len(sampling.logprob_token_ids)
        assert prompt["mm_processor_kwargs"] == {"do_sample_frames": False, "do_resize": False}
        ((frames, metadata),) = prompt["multi_modal_data"]["video"]
        pixels, grid = self._published._pixels(list(frames))
        ids = self._laid_out(prompt["prompt_token_ids"], grid, metadata)
        assert len(ids) < self._limit
        logprobs = self._logits(ids, pixels, grid).log_softmax(-1)
        wanted = {
            i: SimpleNamespace(logprob=float(logprobs[i])) for i in sampling.logprob_token_ids
        }
        output = SimpleNamespace(logprobs=[wanted])
        return [SimpleNamespace(outputs=[output], prompt_token_ids=ids)]

    def _laid_out(self, ids: list[int], grid: list[int], metadata: dict[str, Any]) -> list[int]:
        video = self._published.model.config.video_token_id
        at = ids.index(video)
        text = self._published._video_text(metadata["frames_indices"], grid, metadata["fps"])
        frames = self._published.tokenizer.encode(text, add_special_tokens=False)
        return [*ids[:at], *frames, *ids[at + 1 :]]

    def _logits(self, ids: list[int], pixels: torch.Tensor, grid: list[int]) -> torch.Tensor:
        given = torch.tensor([ids])
        video = self._published.model.config.video_token_id
        with torch.inference_mode():
            logits: torch.Tensor = self._published.model(
                input_ids=given,
                pixel_values_videos=pixels,
                video_grid_thw=torch.tensor([grid]),
                mm_token_type_ids=(given == video).int() * 2,
            ).logits
        return logits[0, -1]
