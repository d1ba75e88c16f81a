"""Answers windows with vLLM, for ``costream bench peers``: run by an interpreter that has vLLM.

It imports nothing of CoStream. It reads a line of JSON at a time from standard input and writes one
to standard output; what vLLM prints goes to standard error. The first line that it reads is the
set-up, each other one names a window's frames. Every line that it writes is an object, and one that
holds ``error`` is the last.

Set-up: ``model`` (a directory), ``max_tokens`` (of a window), ``head`` and ``tail`` (token ids
before and behind the video), ``video`` (ids of a video's start, of its placeholder, of its end),
``yes`` and ``no`` (ids of answers), ``fps``. Answered by ``versions`` and ``threads``.

A window: ``frames`` (a ``.npy`` file, uint8 [frames, height, width, 3], in the size that the model
is shown) and ``indices`` (their places on the sampling grid, from 0). Answered by ``seconds`` (from
pixels in memory to the answer), ``yes`` and ``no`` (log probabilities, each the sum over its ids)
and ``ids`` (of the prompt, as vLLM laid it out).
"""

from __future__ import annotations

import json
import os
import sys
from math import exp, log
from time import perf_counter
from typing import Any

import numpy as np


class Answerer:
    """vLLM with one model and one question.

    Args:
        setup: the line of that name.
    """

    def __init__(self, setup: dict[str, Any]) -> None:
        from vllm import LLM, SamplingParams

        self._setup = setup
        self._llm = LLM(
            model=setup["model"],
            dtype="float32",
            max_model_len=setup["max_tokens"],
            max_num_batched_tokens=setup["max_tokens"],
            max_num_seqs=1,
            enable_prefix_caching=True,
            limit_mm_per_prompt={"image": 0, "video": 1},
            # Else the encoder is tried on the longest video there can be, for minutes.
            skip_mm_profiling=True,
        )
        ids = [*setup["yes"], *setup["no"]]
        self._sampling = SamplingParams(
            max_tokens=1, temperature=0.0, logprobs=len(ids), logprob_token_ids=ids
        )

    def answer(self, frames: np.ndarray, indices: list[int]) -> dict[str, Any]:
        """Answers the question on uint8 [frames, height, width, 3]."""
        begun = perf_counter()
        (output,) = self._llm.generate(
            self._prompt(frames, indices), self._sampling, use_tqdm=False
        )
        seconds = perf_counter() - begun
        logprobs = output.outputs[0].logprobs[0]
        return {
            "seconds": seconds,
            "yes": _sum(logprobs, self._setup["yes"]),
            "no": _sum(logprobs, self._setup["no"]),
            "ids": list(output.prompt_token_ids),
        }

    def _prompt(self, frames: np.ndarray, indices: list[int]) -> dict[str, Any]:
        setup = self._setup
        metadata = {
            "fps": setup["fps"],
            "frames_indices": indices,
            "total_num_frames": len(indices),
            "duration": len(indices) / setup["fps"],
        }
        return {
            "prompt_token_ids": [*setup["head"], *self._placeholder(), *setup["tail"]],
            "multi_modal_data": {"video": [(frames, metadata)]},
            # The frames were sampled and resized before.
            "mm_processor_kwargs": {"do_sample_frames": False, "do_resize": False},
        }

    def _placeholder(self) -> list[int]:
        """Returns what becomes the frames, each with a start and an end of its own.

        Processors from transformers 5.10 on replace the placeholder alone, those before it the
        start and the end around it as well.
        """
        from transformers import ProcessorMixin, Qwen3VLProcessor

        ours, base = (
            getattr(c, "replace_video_token", None) for c in (Qwen3VLProcessor, ProcessorMixin)
        )
        alone = ours is not None and ours is not base
        return [self._setup["video"][1]] if alone else list(self._setup["video"])


def _sum(logprobs: dict[int, Any], ids: list[int]) -> float:
    """Returns the logarithm of the summed probabilities of tokens."""
    values = [logprobs[token].logprob for token in ids]
    largest = max(values)
    return float(largest + log(sum(exp(value - largest) for value in values)))


def _ready() -> dict[str, Any]:
    import torch
    import transformers
    import vllm

    versions = {module.__name__: module.__version__ for module in (vllm, torch, transformers)}
    return {"versions": versions, "threads": os.environ.get("VLLM_CPU_OMP_THREADS_BIND", "auto")}


def main() -> None:
    """Reads lines and answers them, until there are no more."""
    # vLLM and its processes print to what they take for standard output.
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    try:
        answerer = Answerer(json.loads(sys.stdin.readline()))
        print(json.dumps(_ready()), file=out)
        for line in sys.stdin:
            request = json.loads(line)
            answer = answerer.answer(np.load(request["frames"]), request["indices"])
            print(json.dumps(answer), file=out)
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), file=out)
        raise


if __name__ == "__main__":
    main()
