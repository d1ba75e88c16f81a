from __future__ import annotations

import json
import re
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
from transformers.models.internvl.processing_internvl import InternVLProcessor

from costream.engine.engine import Engine
from costream.engine.plan import Plan
from costream.errors import ModelError, SettingsError
from costream.models import FrameGeometry, ModelAdapter, Timestamp, load_model, write_untrained
from costream.models.untrained import SIZES
from costream.settings import EngineSettings
from tests.engine.driving import run
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

MEAN, STD = (torch.tensor(v)[:, None, None] for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))


class Published:
    """The stock class with the stock processor's steps around it, without anything of CoStream."""

    pixels_of_a_token = 32

    def __init__(self, path: Path, attention: str = "sdpa") -> None:
        self.model = AutoModelForImageTextToText.from_pretrained(
            path, dtype=torch.float32, attn_implementation=attention
        ).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(path)

    def logits(self, frames: list[np.ndarray], ask: str, *, fps: float, first: int = 1) -> Tensor:
        """Returns the logits at the first answer token, with frames numbered from ``first``."""
        video = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)
        # torchvision's normalize, with the factor 1/255 folded into mean and deviation.
        video = (video.float() - MEAN * 255) / (STD * 255)
        with torch.inference_mode():
            ids = self.ids(video, ask, first)
            logits: Tensor = self.model(input_ids=ids, pixel_values=video, logits_to_keep=1).logits
        return logits[0, -1]

    def ids(self, video: Tensor, ask: str, first: int = 1) -> Tensor:
        content = [{"type": "video"}, {"type": "text", "text": ask}]
        text = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
        processor = SimpleNamespace(
            start_image_token="<img>",
            end_image_token="</img>",
            image_token="<IMG_CONTEXT>",
            image_seq_length=(video.shape[-1] // self.pixels_of_a_token) ** 2,
        )
        written = InternVLProcessor.replace_video_token(
            processor, {"pixel_values_videos": [video]}, 0
        )
        written = re.sub(r"\d+", lambda number: str(int(number[0]) + first - 1), written)
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


def test_layout_is_the_stock_processor_s(
    model: ModelAdapter, geometry: FrameGeometry, path: Path
) -> None:
    published = Published(path).ids(torch.zeros(12, 3, 96, 96), "Is it?")
    frames = [model.frame(Timestamp(t, t / 2, 0.5), whole(geometry), geometry) for t in range(12)]
    segments = [model.prompt(), *frames, model.question("Is it?")]
    assert torch.equal(torch.cat([s.ids for s in segments]), published[0])
    starts = np.cumsum([0, *(s.span for s in segments[:-1])])
    ours = torch.cat([s.positions + b for s, b in zip(segments, starts, strict=True)], dim=1)
    assert torch.equal(ours, torch.arange(published.shape[1])[None])


masks = st.lists(st.lists(st.booleans(), min_size=9, max_size=9), min_size=1, max_size=4)


@quick
@given(row=masks.map(lambda rows: rows[0]), index=st.integers(0, 100_000))
def test_layout_leaves_holes_where_patches_were_dropped(
    model: ModelAdapter, geometry: FrameGeometry, row: list[bool], index: int
) -> None:
    kept = torch.tensor(row)
    full = model.frame(Timestamp(index, 0.0, 0.5), whole(geometry), geometry)
    pruned = model.frame(Timestamp(index, 0.0, 0.5), kept, geometry)
    assert pruned.span == full.span == len(full)
    chosen = torch.ones(len(full), dtype=torch.bool)
    chosen[full.visual] = kept
    assert torch.equal(pruned.ids, full.ids[chosen])
    assert torch.equal(pruned.positions, full.positions[:, chosen])


def masked_encoder(model, picture, kept: Tensor) -> Tensor:
    """The stock encoder over the whole picture, with the dropped patches masked out of attention.

    Returns the visual tokens of the kept groups, by the stock pixel shuffle and projector.
    """
    vision = model.vision
    video = torch.from_numpy(picture.rgb()).permute(2, 0, 1)[None]
    hidden = vision.embeddings((video.float() - MEAN * 255) / (STD * 255))
    seen = kept.view(3, 1, 3, 1).expand(3, 2, 3, 2).reshape(-1)
    mask = torch.cat([torch.tensor([True]), seen])[None, None, None]
    for layer in vision.encoder.layer:
        mixed, _ = layer.attention(layer.layernorm_before(hidden), attention_mask=mask)
        hidden = hidden + layer.lambda_1 * mixed
        hidden = hidden + layer.lambda_2 * layer.mlp(layer.layernorm_after(hidden))
    features = vision.layernorm(hidden)[:, 1:].reshape(1, 6, 6, -1)
    shuffled = model.model.model.pixel_shuffle(features).flatten(0, 2)
    return model.projector(shuffled)[kept]


@quick
@given(rows=masks)
@torch.no_grad()
def test_pruned_patches_are_gone_and_the_others_keep_their_places(
    model: ModelAdapter, geometry: FrameGeometry, rows: list[list[bool]]
) -> None:
    pictures = squares(len(rows))
    masks = [torch.tensor(row) for row in rows]
    jobs = [job_of(model, [p], kept, geometry) for p, kept in zip(pictures, masks, strict=True)]
    for picture, kept, tokens in zip(pictures, masks, model.encode(jobs), strict=True):
        assert tokens.embeds.shape == (int(kept.sum()), 64)
        assert tokens.deepstack.shape[:2] == (0, int(kept.sum()))
        assert torch.allclose(tokens.embeds, masked_encoder(model, picture, kept), atol=1e-5)


def test_frames_are_stretched_onto_the_tile_and_normalised_as_published(
    model: ModelAdapter, geometry: FrameGeometry
) -> None:
    (picture,) = noise_pictures(1, width=320, height=200)
    patches = model.pixels([picture], geometry)
    video = torch.from_numpy(picture.rgb()).permute(2, 0, 1)[None]
    # What torchvision's resize does with 8-bit tensors.
    resized = torch.nn.functional.interpolate(video, (96, 96), mode="bicubic", antialias=True)
    values = ((resized.float() - MEAN * 255) / (STD * 255))[0]
    assert patches.shape == (36, 3 * 16 * 16)
    # Patches 4 to 7 are the second group: columns 32 to 63 of the first 32 rows.
    corners = [(0, 32), (0, 48), (16, 32), (16, 48)]
    for patch, (top, left) in zip(patches[4:8], corners, strict=True):
        assert torch.equal(patch.view(3, 16, 16), values[:, top : top + 16, left : left + 16])


def test_flops_are_those_that_torch_counts(
    model: ModelAdapter, geometry: FrameGeometry, path: Path
) -> None:
    # Torch doesn't count fused attention: it runs as plain products here.
    published = Published(path, attention="eager")
    frames = [picture.rgb() for picture in squares(3)]
    tokens = published.ids(torch.zeros(3, 3, 96, 96), "Is it?").shape[1]
    with FlopCounterMode(display=False) as counter:
        published.logits(frames, "Is it?", fps=2)
    ours = model.vision_flops([36] * 3, [36] * 3) + model.text_flops(tokens, tokens, logits=1)
    assert ours == pytest.approx(counter.get_total_flops(), rel=0.001)


def test_a_frame_without_patches_costs_nothing(model: ModelAdapter) -> None:
    assert model.vision_flops([0, 36, 0], [0, 36, 0]) == model.vision_flops([36], [36])


@pytest.mark.parametrize("distance", [0, 1, 777, 60_000])
def test_moved_keys_are_those_computed_at_the_other_place(
    model: ModelAdapter, distance: int
) -> None:
    keys = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(1))

    def rotate(start: int) -> Tensor:
        cos, sin = model.language.rotary_emb(keys, torch.arange(start, start + 5)[None])
        return keys * cos + torch.cat([-keys[..., 8:], keys[..., :8]], dim=-1) * sin

    turn = model.rotation(torch.full((5,), distance))
    moved = turn.apply(rotate(3).transpose(0, 1)).transpose(0, 1)
    assert torch.allclose(moved, rotate(3 + distance), atol=5e-3 if distance > 1000 else 1e-4)


def labels(model: ModelAdapter, plan: Plan) -> list[str]:
    texts = [model.tokenizer.decode(patch.segment.ids) for patch in plan.state.patches]
    return [text.partition(":")[0] for text in texts]


@pytest.mark.parametrize(("refresh", "first"), [("none", [1, 3, 5]), ("full", [1, 1, 1])])
def test_frames_are_numbered_through_the_epoch(
    model: ModelAdapter, refresh: str, first: list[int]
) -> None:
    settings = EngineSettings(fps=2, window=4, stride=1, pruner="none", refresh=refresh)
    engine, stream = Engine(model, settings), FakeStream(samples_of(squares(12)))
    watch = engine.open(stream, ASKS)
    for number, (window, _) in zip(first, engine.windows(stream), strict=True):
        plan, _ = run(watch, window)
        assert labels(model, plan) == [f"Frame{n}" for n in range(number, number + 8)]


def test_late_numbers_are_all_that_a_grown_rebase_changes(model: ModelAdapter, path: Path) -> None:
    """All of the window recomputed in its place equals the stock model, told the late numbers.

    The numbers themselves do change the answer: what that costs is in docs/models.md.
    """
    settings = EngineSettings(
        fps=2, window=4, stride=2, pruner="none", refresh="anchors", anchor_every=0.5
    )
    published, pictures = Published(path), squares(16)
    for start, logits in logits_of_windows(model, settings, FakeStream(samples_of(pictures))):
        frames = [picture.rgb() for picture in pictures[start : start + 8]]
        late, early = (
            published.logits(frames, PROMPT.format(ASKS[0]), fps=2, first=first)
            for first in (start + 1, 1)
        )
        spread = early.max() - early.min()
        assert (logits[0] - late).abs().max() < TOLERANCE * spread
        assert start == 0 or (late - early).abs().max() > TOLERANCE * spread


def edited(path: Path, tmp_path: Path, **text: object) -> Path:
    copy = Path(shutil.copytree(path, tmp_path / "copy"))
    config = json.loads((copy / "config.json").read_text())
    config["text_config"].update(text)
    (copy / "config.json").write_text(json.dumps(config))
    return copy


def test_dynamic_frequencies_stay_while_positions_grow(path: Path, tmp_path: Path) -> None:
    """InternVL3 scales its frequencies in contexts that are too long: growing positions are not."""
    rope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e6}
    copy = edited(path, tmp_path, rope_parameters=rope, max_position_embeddings=512)
    model = load_model(str(copy), device="cpu")
    assert_stock_logits(model, Published(copy), squares(8), stride=1, frame_size=None)
    before = model.language.rotary_emb.inv_freq.clone()
    settings = EngineSettings(fps=2, window=4, stride=4, pruner="none", refresh="none")
    stream = FakeStream(samples_of(squares(64)))
    starts = [start for start, _ in logits_of_windows(model, settings, stream)]
    assert len(starts) == 8
    assert torch.equal(model.language.rotary_emb.inv_freq, before)


def test_a_window_longer_than_the_model_s_context_is_refused(path: Path, tmp_path: Path) -> None:
    model = load_model(str(edited(path, tmp_path, max_position_embeddings=71)), device="cpu")
    model.geometry(96, 96, 7, None)
    with pytest.raises(SettingsError, match="72 visual tokens and this model at most 71"):
        model.geometry(96, 96, 8, None)


@pytest.mark.parametrize("size", [(96, 128), (100, 100), (0, 0), (-32, -32)])
def test_sizes_off_the_grid_are_refused(model: ModelAdapter, size: tuple[int, int]) -> None:
    with pytest.raises(SettingsError, match="squares whose side is a multiple of 32"):
        model.geometry(640, 480, 8, size)


def test_another_language_model_is_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="'llama' is not supported: choose one with qwen2"):
        load_model(str(edited(path, tmp_path, model_type="llama")), device="cpu")


def test_a_tokenizer_without_image_tokens_is_refused(path: Path, tmp_path: Path) -> None:
    copy = edited(path, tmp_path)
    settings = json.loads((copy / "tokenizer_config.json").read_text())
    del settings["start_image_token"]
    (copy / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(ModelError, match="does not say what its start_image_token is"):
        load_model(str(copy), device="cpu")


def test_a_qwen3_text_model_serves_as_well(tmp_path: Path) -> None:
    """As InternVL3.5 has it."""
    path = write_untrained(tmp_path, replace(SIZES["internvl-test"], text="qwen3"))
    model = load_model(str(path), device="cpu")
    assert_stock_logits(model, Published(path), squares(10), stride=1, frame_size=None)
