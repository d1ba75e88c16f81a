from __future__ import annotations

import json
import shutil
from dataclasses import replace
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
from transformers.models.llava_onevision.processing_llava_onevision import LlavaOnevisionProcessor

from costream.errors import ModelError, SettingsError
from costream.lab.evaluate.stock_model import ids_of, whole_segments
from costream.models import FrameGeometry, ModelAdapter, Timestamp, load_model, write_untrained
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
from tests.models.common import job_of, quick, whole

SIDE = 100


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
        video = (video.float() - 0.5 * 255) / (0.5 * 255)
        with torch.inference_mode():
            logits: Tensor = self.model(
                input_ids=self.ids(video, ask), pixel_values_videos=video[None], logits_to_keep=1
            ).logits
        return logits[0, -1]

    def ids(self, video: Tensor, ask: str) -> Tensor:
        content = [{"type": "video"}, {"type": "text", "text": ask}]
        text = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
        patches = (video.shape[-1] // 14) ** 2
        processor = SimpleNamespace(num_image_tokens=patches, video_token="<video>")
        written = LlavaOnevisionProcessor.replace_video_token(
            processor, {"pixel_values_videos": [video]}, 0
        )
        text = text.replace("<video>", written)
        return self.tokenizer.encode(text, add_special_tokens=False, return_tensors="pt")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_untrained(tmp_path_factory.mktemp("llava"), "llava-test")


@pytest.fixture(scope="module")
def model(path: Path) -> ModelAdapter:
    return load_model(str(path), device="cpu")


@pytest.fixture(scope="module")
def geometry(model: ModelAdapter) -> FrameGeometry:
    return model.geometry(640, 480, 8, None)


def squares(count: int, side: int = SIDE) -> list:
    return noise_pictures(count, width=side, height=side)


@pytest.mark.parametrize("stride", [0.5, 1, 4])
def test_unpruned_full_refresh_equals_the_stock_model(
    model: ModelAdapter, path: Path, stride: float
) -> None:
    assert_stock_logits(model, Published(path), squares(16), stride=stride, frame_size=None)


@pytest.mark.parametrize(("side", "layer"), [(84, -1), (126, -2), (126, 2)])
def test_other_grids_and_layers_are_the_stock_model_s(
    tmp_path: Path, side: int, layer: int
) -> None:
    path = write_untrained(tmp_path, replace(SIZES["llava-test"], image_size=side))
    edit(path, vision_feature_layer=layer)
    model = load_model(str(path), device="cpu")
    assert_stock_logits(model, Published(path), squares(10, side), stride=1, frame_size=None)


def test_another_question_or_another_frame_changes_the_logits(model: ModelAdapter) -> None:
    assert_input_matters(model, squares(10), None)


def test_a_grown_rebase_changes_nothing(model: ModelAdapter, path: Path) -> None:
    """All of the window recomputed in its place equals the stock model on the window alone."""
    settings = EngineSettings(
        fps=2, window=4, stride=2, pruner="none", refresh="anchors", anchor_every=0.5
    )
    published, pictures = Published(path), squares(16)
    for start, logits in logits_of_windows(model, settings, FakeStream(samples_of(pictures))):
        frames = [picture.rgb() for picture in pictures[start : start + 8]]
        stock = published.logits(frames, PROMPT.format(ASKS[0]), fps=2)
        assert (logits[0] - stock).abs().max() < TOLERANCE * (stock.max() - stock.min())


def test_layout_is_the_stock_processor_s(
    model: ModelAdapter, geometry: FrameGeometry, path: Path
) -> None:
    published = Published(path).ids(torch.zeros(3, 3, SIDE, SIDE), "Is it?")
    segments = whole_segments(
        model, [Timestamp(t, t / 2, 0.5) for t in range(3)], "Is it?", geometry
    )
    assert torch.equal(ids_of(segments), published)
    starts = np.cumsum([0, *(s.span for s in segments[:-1])])
    ours = torch.cat([s.positions + b for s, b in zip(segments, starts, strict=True)], dim=1)
    assert torch.equal(ours, torch.arange(published.shape[1])[None])


masks = st.lists(st.lists(st.booleans(), min_size=16, max_size=16), min_size=1, max_size=4)


@quick
@given(row=masks.map(lambda rows: rows[0]))
def test_layout_leaves_holes_where_tokens_were_dropped(
    model: ModelAdapter, geometry: FrameGeometry, row: list[bool]
) -> None:
    kept = torch.tensor(row)
    full = model.frame(Timestamp(0, 0.0, 0.5), whole(geometry), geometry)
    pruned = model.frame(Timestamp(9, 4.5, 0.5), kept, geometry)
    assert pruned.span == full.span == len(full)
    assert full.visual.all()
    assert torch.equal(pruned.ids, full.ids[kept])
    assert torch.equal(pruned.positions, full.positions[:, kept])


def taps(token: int) -> set[int]:
    """Rows that a row of tokens is made of: 7 are pooled to 4, and the middle one is shared."""
    return ({0, 1}, {2, 3}, {3, 4}, {5, 6})[token]


def masked_tokens(model, picture, kept: Tensor) -> Tensor:
    """The stock encoder over the whole picture, with patches of no kept token masked out."""
    vision, stock = model.vision, model.model.model
    video = torch.from_numpy(picture.rgb()).permute(2, 0, 1)[None]
    hidden = vision.embeddings((video.float() - 127.5) / 127.5)
    seen = torch.zeros(7, 7, dtype=torch.bool)
    for token in kept.nonzero().flatten().tolist():
        for row in taps(token // 4):
            seen[row, list(taps(token % 4))] = True
    mask = seen.flatten()[None, None, None].expand(1, 1, 49, 49)
    for layer in vision.encoder.layers:
        hidden = layer(hidden, attention_mask=mask)
    return stock.apply_pooling(stock.multi_modal_projector(hidden))[0, kept]


@quick
@given(rows=masks)
@torch.no_grad()
def test_patches_of_no_kept_token_are_gone_and_the_others_keep_their_places(
    model: ModelAdapter, geometry: FrameGeometry, rows: list[list[bool]]
) -> None:
    pictures = squares(len(rows))
    masks = [torch.tensor(row) for row in rows]
    jobs = [job_of(model, [p], kept, geometry) for p, kept in zip(pictures, masks, strict=True)]
    for picture, kept, tokens in zip(pictures, masks, model.encode(jobs), strict=True):
        assert tokens.embeds.shape == (int(kept.sum()), 64)
        if kept.any():
            assert torch.allclose(tokens.embeds, masked_tokens(model, picture, kept), atol=1e-5)


def test_the_real_grid_shares_its_middle(tmp_path: Path) -> None:
    size = replace(SIZES["llava-test"], image_size=384)
    model = load_model(str(write_untrained(tmp_path, size)), device="cpu")
    geometry = model.geometry(640, 480, 1, None)
    assert geometry.grid.group_shape == (14, 14)
    one = np.eye(196, dtype=np.bool_)
    made_of = np.stack([model.preprocessing.cut_mask(kept, geometry) for kept in one])
    assert made_of.sum((1, 2)).tolist() == [4] * 196
    shared = made_of.sum(0)
    assert shared[13, 13] == 4
    assert (shared[13, :13] == 2).all() and (shared[:13, 14:] == 1).all()


def test_flops_are_those_that_torch_counts(model: ModelAdapter, path: Path) -> None:
    # Torch doesn't count fused attention: it runs as plain products here.
    published = Published(path, attention="eager")
    frames = [picture.rgb() for picture in squares(3)]
    tokens = published.ids(torch.zeros(3, 3, SIDE, SIDE), "Is it?").shape[1]
    with FlopCounterMode(display=False) as counter:
        published.logits(frames, "Is it?", fps=2)
    ours = model.vision_flops([16] * 3, [16] * 3) + model.text_flops(tokens, tokens, logits=1)
    assert ours == pytest.approx(counter.get_total_flops(), rel=0.001)


def test_another_frame_size_is_refused(model: ModelAdapter) -> None:
    with pytest.raises(SettingsError, match="it takes 100x100 and nothing else"):
        model.geometry(640, 480, 8, (224, 224))


def edit(path: Path, **values: object) -> None:
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, **values}))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"vision_feature_layer": [-1, -2]}, "all features of one vision layer"),
        ({"vision_feature_select_strategy": "default"}, "all features of one vision layer"),
        ({"text_config": {"model_type": "llama"}}, "'llama' is not supported"),
        ({"vision_config": {"model_type": "clip_vision_model"}}, "'clip_vision_model' is not"),
    ],
)
def test_an_unsupported_part_is_one_sentence(
    path: Path, tmp_path: Path, values: dict[str, object], message: str
) -> None:
    copy = Path(shutil.copytree(path, tmp_path / "copy"))
    edit(copy, **values)
    with pytest.raises(ModelError, match=message):
        load_model(str(copy), device="cpu")


def test_preprocessing_that_does_not_fit_the_encoder_is_refused(path: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(path, tmp_path / "copy"))
    name = copy / "video_preprocessor_config.json"
    settings = json.loads(name.read_text())
    name.write_text(json.dumps({**settings, "size": {"height": 384, "width": 384}}))
    with pytest.raises(ModelError, match="384x384, but its vision encoder takes 100x100"):
        load_model(str(copy), device="cpu")
