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
from transformers import AutoModelForImageTextToText
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import apply_rotary_pos_emb_vision
from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor

from costream.errors import SettingsError
from costream.lab.evaluate.stock_model import ids_of, positions_of, whole_segments
from costream.models import FrameGeometry, ModelAdapter, Timestamp, load_model, write_untrained
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
from tests.models.published import tokenizer_of

MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]

WIDE = (224, 196)
"""A grid of 8x7 groups, of four attention windows: wider than 8 frames are long in time, so that
``get_rope_index`` begins the text where it was published to begin."""


class Published:
    """The stock class with the stock processor's steps around it, without anything of CoStream."""

    def __init__(self, path: Path, attention: str = "sdpa") -> None:
        self.model = AutoModelForImageTextToText.from_pretrained(
            path, dtype=torch.float32, attn_implementation=attention
        ).eval()
        self.tokenizer = tokenizer_of(path)

    def logits(self, frames: list[np.ndarray], ask: str, *, fps: float) -> Tensor:
        pixels, grid = self.pixels(frames)
        ids = self.ids(grid, ask)
        with torch.inference_mode():
            logits: Tensor = self.model(
                input_ids=ids,
                pixel_values_videos=pixels,
                video_grid_thw=torch.tensor([grid]),
                second_per_grid_ts=torch.tensor([2 / fps]),
                mm_token_type_ids=self.kinds(ids),
                logits_to_keep=1,
            ).logits
        return logits[0, -1]

    def pixels(self, frames: list[np.ndarray]) -> tuple[Tensor, list[int]]:
        video = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)[None]
        # torchvision's normalize, with the factor 1/255 folded into mean and deviation.
        video = (video.float() - MEAN * 255) / (STD * 255)
        # The layout of patches is that of Qwen2-VL, whose class needs torchvision to be imported.
        patches, *grid = Qwen3VLVideoProcessor.patchify(
            SimpleNamespace(), video, patch_size=14, merge_size=2, temporal_patch_size=2
        )
        return patches[0], grid

    def ids(self, grid: list[int], ask: str) -> Tensor:
        content = [{"type": "video"}, {"type": "text", "text": ask}]
        text = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
        processor = SimpleNamespace(
            video_processor=SimpleNamespace(merge_size=2), video_token="<|video_pad|>"
        )
        video = Qwen2_5_VLProcessor.replace_video_token(
            processor, {"video_grid_thw": torch.tensor([grid])}, 0
        )
        text = text.replace("<|video_pad|>", video)
        return self.tokenizer.encode(text, add_special_tokens=False, return_tensors="pt")

    def kinds(self, ids: Tensor) -> Tensor:
        """The processor's code for video tokens is 2."""
        return (ids == self.model.config.video_token_id).int() * 2


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_untrained(tmp_path_factory.mktemp("qwen2_5"), "qwen2.5-test")


@pytest.fixture(scope="module")
def model(path: Path) -> ModelAdapter:
    return load_model(str(path), device="cpu")


@pytest.fixture(scope="module")
def geometry(model: ModelAdapter) -> FrameGeometry:
    return model.geometry(*WIDE, 8, WIDE)


def pictures(count: int, size: tuple[int, int] = WIDE) -> list:
    return noise_pictures(count, width=size[0], height=size[1])


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_unpruned_full_refresh_equals_the_stock_model(
    model: ModelAdapter, path: Path, stride: float
) -> None:
    assert_stock_logits(model, Published(path), pictures(16), stride=stride, frame_size=WIDE)


def test_another_question_or_another_frame_changes_the_logits(model: ModelAdapter) -> None:
    assert_input_matters(model, pictures(10), WIDE)


def window_positions(
    model: ModelAdapter, geometry: FrameGeometry, frames: int, fps: float
) -> Tensor:
    timestamps = [Timestamp(t, (2 * t + 0.5) / fps, 2 / fps) for t in range(frames)]
    return positions_of(model, whole_segments(model, timestamps, "Is it?", geometry), geometry)


@pytest.mark.parametrize("fps", [2.0, 3.0, 8.0])
def test_layout_is_the_stock_model_s(
    model: ModelAdapter, geometry: FrameGeometry, path: Path, fps: float
) -> None:
    """Ids and positions of a prompt that the stock class lays out as published."""
    published = Published(path)
    grid = [4, 14, 16]
    ids = published.ids(grid, "Is it?")
    positions, _ = published.model.model.get_rope_index(
        ids,
        published.kinds(ids),
        video_grid_thw=torch.tensor([grid]),
        second_per_grid_ts=torch.tensor([2 / fps]),
    )
    timestamps = [Timestamp(t, 0.0, 2 / fps) for t in range(4)]
    segments = whole_segments(model, timestamps, "Is it?", geometry)
    assert torch.equal(ids_of(segments), ids)
    assert torch.equal(window_positions(model, geometry, 4, fps), positions[:, 0])


def test_text_follows_the_latest_position_of_a_long_video(
    model: ModelAdapter, geometry: FrameGeometry, path: Path
) -> None:
    """As published: the library begins it behind the rows and columns, in the midst of time."""
    published, grid = Published(path), [20, 14, 16]
    ids = published.ids(grid, "Is it?")
    positions, _ = published.model.model.get_rope_index(
        ids,
        published.kinds(ids),
        video_grid_thw=torch.tensor([grid]),
        second_per_grid_ts=torch.tensor([1.0]),
    )
    ours = window_positions(model, geometry, 20, 2.0)
    video = int(published.kinds(ids).nonzero()[-1, 1]) + 1
    assert torch.equal(ours[:, :video], positions[:, 0, :video])
    late = ours[:, video:] - positions[:, 0, video:]
    assert (ours[:, video] == ours[:, :video].max() + 1).all()
    assert (late == late[0, 0]).all() and late[0, 0] > 0


def test_a_grown_rebase_changes_nothing(model: ModelAdapter, path: Path) -> None:
    """All of the window recomputed in its place equals the stock model on the window alone."""
    settings = EngineSettings(
        fps=2,
        window=4,
        stride=2,
        pruner="none",
        refresh="anchors",
        anchor_every=0.5,
        frame_size=WIDE,
    )
    published, frames = Published(path), pictures(16)
    for start, logits in logits_of_windows(model, settings, FakeStream(samples_of(frames))):
        shown = [picture.rgb() for picture in frames[start : start + 8]]
        stock = published.logits(shown, PROMPT.format(ASKS[0]), fps=2)
        assert (logits[0] - stock).abs().max() < TOLERANCE * (stock.max() - stock.min())


masks = st.lists(st.lists(st.booleans(), min_size=56, max_size=56), min_size=1, max_size=3)


@quick
@given(row=masks.map(lambda rows: rows[0]), index=st.integers(0, 100_000))
def test_layout_leaves_holes_where_patches_were_dropped(
    model: ModelAdapter, geometry: FrameGeometry, row: list[bool], index: int
) -> None:
    kept, timestamp = torch.tensor(row), Timestamp(index, 0.0, 0.7)
    full = model.frame(timestamp, whole(geometry), geometry)
    pruned = model.frame(timestamp, kept, geometry)
    assert pruned.span == full.span in (1, 2)
    assert full.visual.all()
    assert torch.equal(pruned.ids, full.ids[kept])
    assert torch.equal(pruned.positions, full.positions[:, kept])


def masked_encoder(model, pixels: Tensor, kept: Tensor) -> Tensor:
    """The encoder over all patches, with masks in place of sequences: windows and dropped ones."""
    vision = model.vision
    rows, cols = torch.meshgrid(torch.arange(7), torch.arange(8), indexing="ij")
    window = (rows // 4 * 2 + cols // 4).flatten().repeat_interleave(4)
    seen = kept.repeat_interleave(4)
    near = (window[:, None] == window) & seen
    hidden = vision.patch_embed(pixels)
    places, _ = model._places(model.geometry(*WIDE, 8, WIDE).grid)
    cos, sin = vision.rotary_pos_emb(hidden, places)
    for number, block in enumerate(vision.blocks):
        attn, normed = block.attn, block.norm1(hidden)
        q, k, v = attn.qkv(normed).reshape(len(hidden), 3, attn.num_heads, -1).unbind(1)
        q, k = apply_rotary_pos_emb_vision(q, k, cos, sin)
        mask = seen.expand(len(hidden), -1) if number in vision.fullatt_block_indexes else near
        scores = torch.einsum("qhd,khd->hqk", q, k) * attn.scaling
        # A dropped patch may look at itself: it is seen by nobody, and rows must not be empty.
        mask = mask | torch.eye(len(hidden), dtype=torch.bool)
        scores = scores.masked_fill(~mask, -torch.inf).softmax(-1)
        mixed = torch.einsum("hqk,khd->qhd", scores, v).reshape(len(hidden), -1)
        hidden = hidden + attn.proj(mixed)
        hidden = hidden + block.mlp(block.norm2(hidden))
    return vision.merger(hidden)[kept]


@quick
@given(rows=masks)
@torch.no_grad()
def test_pruned_patches_are_gone_and_windows_hold_what_is_left_of_them(
    model: ModelAdapter, geometry: FrameGeometry, rows: list[list[bool]]
) -> None:
    shown, masks = pictures(len(rows)), [torch.tensor(row) for row in rows]
    jobs = [job_of(model, [p], kept, geometry) for p, kept in zip(shown, masks, strict=True)]
    for picture, kept, tokens in zip(shown, masks, model.encode(jobs), strict=True):
        pixels = model.pixels([picture], geometry)
        assert tokens.embeds.shape == (int(kept.sum()), 64)
        assert torch.allclose(tokens.embeds, masked_encoder(model, pixels, kept), atol=1e-5)


@pytest.mark.parametrize("distance", [0, 1, 777])
def test_moved_keys_are_those_computed_later_at_the_same_place(
    model: ModelAdapter, distance: int
) -> None:
    keys = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(1))

    def rotate(time: int) -> Tensor:
        places = torch.stack([torch.arange(5) + time, torch.arange(5), torch.arange(5)])
        cos, sin = model.language.rotary_emb(keys, places[:, None])
        return keys * cos + torch.cat([-keys[..., 8:], keys[..., :8]], dim=-1) * sin

    turn = model.rotation(torch.full((5,), distance))
    moved = turn.apply(rotate(3).transpose(0, 1)).transpose(0, 1)
    assert torch.allclose(moved, rotate(3 + distance), atol=2e-4)


def test_flops_are_those_that_torch_counts(model: ModelAdapter, path: Path) -> None:
    # Torch doesn't count fused attention: it runs as plain products here.
    published = Published(path, attention="eager")
    frames = [picture.rgb() for picture in pictures(6, (224, 224))]
    tokens = published.ids([3, 16, 16], "Is it?").shape[1]
    with FlopCounterMode(display=False) as counter:
        published.logits(frames, "Is it?", fps=2)
    ours = model.vision_flops([256] * 3, [256] * 3) + model.text_flops(tokens, tokens, logits=1)
    assert ours == pytest.approx(counter.get_total_flops(), rel=0.001)


@pytest.mark.parametrize("size", [(100, 112), (0, 28), (-28, 28)])
def test_sizes_off_the_grid_are_refused(model: ModelAdapter, size: tuple[int, int]) -> None:
    with pytest.raises(SettingsError, match="multiples of 28"):
        model.geometry(640, 480, 8, size)


def test_frames_are_of_the_size_that_the_family_s_tools_choose(model: ModelAdapter) -> None:
    """And not as large as an image may be: 107,640 tokens in a window of 80 frames."""
    assert model.geometry(1920, 1080, 80, None).grid.group_shape == (20, 36)
    assert model.geometry(1920, 1080, 640, None).grid.group_shape == (14, 25)


def test_the_processor_s_own_bounds_come_on_top(path: Path, tmp_path: Path) -> None:
    """The tools hand their frames to a processor, which resizes again where it is told to."""
    copy = Path(shutil.copytree(path, tmp_path / "copy"))
    file = copy / "video_preprocessor_config.json"
    values = json.loads(file.read_text())
    bounds = {"min_pixels": 400 * 28 * 28, "max_pixels": 500 * 28 * 28}
    file.write_text(json.dumps({**values, **bounds}))
    bounded = load_model(str(copy), device="cpu")
    assert 450 <= bounded.geometry(1920, 1080, 80, None).grid.groups <= 500
    assert bounded.geometry(640, 360, 80, None).grid.groups >= 400


def test_a_window_may_be_as_long_as_the_checkpoint_says_in_either_place(
    path: Path, tmp_path: Path
) -> None:
    """A published copy of the 3B says 8192 positions and a text of 131,072 tokens."""
    copy = Path(shutil.copytree(path, tmp_path / "copy"))
    for name, values in (
        ("config.json", {"text_config": {"max_position_embeddings": 8192}}),
        ("tokenizer_config.json", {"model_max_length": 131_072}),
    ):
        config = json.loads((copy / name).read_text())
        for key, value in values.items():
            config[key] = {**config[key], **value} if isinstance(value, dict) else value
        (copy / name).write_text(json.dumps(config))
    model = load_model(str(copy), device="cpu")
    assert model.geometry(1920, 1080, 80, None).grid.groups * 40 == 28_800
    with pytest.raises(SettingsError, match="at most 131072"):
        model.geometry(1920, 1080, 80, (1932, 1932))
