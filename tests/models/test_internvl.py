from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForImageTextToText, AutoTokenizer
from transformers.models.internvl.processing_internvl import InternVLProcessor

from costream.engine.engine import Engine
from costream.errors import ModelError, SettingsError
from costream.models import FrameGeometry, ModelAdapter, load_model, write_untrained
from costream.models.untrained import SIZES
from costream.settings import EngineSettings
from tests.engine.golden import (
    ASKS,
    PROMPT,
    TOLERANCE,
    assert_input_matters,
    assert_stock_logits,
    logits_of_windows,
)
from tests.fakes import FakeStream, noise_pictures, samples_of
from tests.models.common import quick, whole

MEAN, STD = (torch.tensor(v)[:, None, None] for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))


class Published:
    """The stock class with the stock processor's steps around it, without anything of CoStream."""

    def __init__(self, path: Path, attention: str = "sdpa") -> None:
        self.model = AutoModelForImageTextToText.from_pretrained(
            path, dtype=torch.float32, attn_implementation=attention
        ).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(path)

    def logits(self, frames: list[np.ndarray], ask: str, *, fps: float) -> Tensor:
        video = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)
        # torchvision's normalize, with the factor 1/255 folded into mean and deviation.
        video = (video.float() - MEAN * 255) / (STD * 255)
        with torch.inference_mode():
            ids = self.ids(video, ask)
            logits: Tensor = self.model(input_ids=ids, pixel_values=video).logits
        return logits[0, -1]

    def ids(self, video: Tensor, ask: str) -> Tensor:
        content = [{"type": "video"}, {"type": "text", "text": ask}]
        text = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
        processor = SimpleNamespace(
            start_image_token="<img>",
            end_image_token="</img>",
            image_token="<IMG_CONTEXT>",
            image_seq_length=(video.shape[-1] // 32) ** 2,
        )
        written = InternVLProcessor.replace_video_token(
            processor, {"pixel_values_videos": [video]}, 0
        )
        text = text.replace("<video>", written)
        return self.tokenizer.encode(text, add_special_tokens=False, return_tensors="pt")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_untrained(tmp_path_factory.mktemp("internvl"), "internvl-test")


@pytest.fixture(scope="module")
def model(path: Path) -> ModelAdapter:
    return load_model(str(path), device="cpu")


@pytest.fixture(scope="module")
def geometry(model: ModelAdapter) -> FrameGeometry:
    return model.geometry(96, 96, 8, None)


def squares(count: int, side: int = 96) -> list:
    return noise_pictures(count, width=side, height=side)


@pytest.mark.parametrize("stride", [0.5, 1, 2, 4])
def test_unpruned_full_refresh_equals_the_stock_model(
    model: ModelAdapter, path: Path, stride: float
) -> None:
    assert_stock_logits(model, Published(path), squares(16), stride=stride, frame_size=None)


@pytest.mark.parametrize("side", [64, 160])
def test_another_tile_is_what_the_stock_model_makes_of_it(
    model: ModelAdapter, path: Path, side: int
) -> None:
    """The stock class interpolates its position embeddings to such a tile."""
    pictures = squares(10, side)
    assert_stock_logits(model, Published(path), pictures, stride=1, frame_size=(side, side))


def test_another_question_or_another_frame_changes_the_logits(model: ModelAdapter) -> None:
    assert_input_matters(model, squares(10), None)
