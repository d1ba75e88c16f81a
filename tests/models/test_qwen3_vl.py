from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForImageTextToText
from transformers.models.qwen3_vl.modeling_qwen3_vl import apply_rotary_pos_emb_vision

from costream.errors import SettingsError
from costream.lab.evaluate.stock_model import ids_of, whole_segments
from costream.models import FrameGeometry, ModelAdapter, Timestamp, VisualTokens
from costream.models.qwen3_vl import _video_ids
from tests.fakes import noise_pictures
from tests.models.common import job_of, quick, whole
from tests.models.published import FORMS, Published

masks = st.lists(st.lists(st.booleans(), min_size=12, max_size=12), min_size=1, max_size=4)


@pytest.fixture
def geometry(model: ModelAdapter) -> FrameGeometry:
    return model.geometry(128, 96, 8, (128, 96))


def masked_encoder(model, pixels: torch.Tensor, kept: torch.Tensor) -> VisualTokens:
    """The encoder over all patches, with the dropped ones masked out of attention."""
    vision = model.vision
    patches = kept.repeat_interleave(4)
    grid = torch.tensor([[1, 6, 8]])
    hidden = vision.patch_embed(pixels)
    indices, weights, places = model._places(model.geometry(128, 96, 8, (128, 96)).grid)
    hidden = hidden + (vision.pos_embed(indices) * weights[:, :, None]).sum(1)
    cos, sin = vision.rotary_pos_emb(hidden, places)
    levels = []
    for layer, block in enumerate(vision.blocks):
        attn, normed = block.attn, block.norm1(hidden)
        q, k, v = attn.qkv(normed).reshape(len(hidden), 3, attn.num_heads, -1).unbind(1)
        q, k = apply_rotary_pos_emb_vision(q, k, cos, sin)
        scores = torch.einsum("qhd,khd->hqk", q, k) * attn.scaling
        scores = scores.masked_fill(~patches, -torch.inf).softmax(-1)
        mixed = torch.einsum("hqk,khd->qhd", scores, v).reshape(len(hidden), -1)
        hidden = hidden + attn.proj(mixed)
        hidden = hidden + block.mlp(block.norm2(hidden))
        if layer in vision.deepstack_visual_indexes:
            merger = vision.deepstack_merger_list[
                list(vision.deepstack_visual_indexes).index(layer)
            ]
            levels.append(merger(hidden)[kept])
    assert int(grid.prod()) == len(patches)
    return VisualTokens(vision.merger(hidden)[kept], torch.stack(levels))


@quick
@given(rows=masks)
@torch.no_grad()
def test_pruned_patches_are_gone_and_the_others_keep_their_places(
    model: ModelAdapter, geometry: FrameGeometry, rows: list[list[bool]]
) -> None:
    shown, masks = noise_pictures(len(rows)), [torch.tensor(row) for row in rows]
    jobs = [job_of(model, [p], kept, geometry) for p, kept in zip(shown, masks, strict=True)]
    for picture, kept, tokens in zip(shown, masks, model.encode(jobs), strict=True):
        expected = masked_encoder(model, model.pixels([picture], geometry), kept)
        assert tokens.embeds.shape == (int(kept.sum()), 64)
        assert torch.allclose(tokens.embeds, expected.embeds, atol=1e-5)
        assert torch.allclose(tokens.deepstack, expected.deepstack, atol=1e-5)


@quick
@given(row=masks.map(lambda rows: rows[0]), time=st.floats(0, 1e5))
def test_layout_leaves_holes_where_patches_were_dropped(
    any_model: ModelAdapter, geometry: FrameGeometry, row: list[bool], time: float
) -> None:
    kept = torch.tensor(row)
    full = any_model.frame(Timestamp(3, time, 1.0), whole(geometry), geometry)
    pruned = any_model.frame(Timestamp(3, time, 1.0), kept, geometry)
    assert pruned.span == full.span
    chosen = torch.ones(len(full), dtype=torch.bool)
    chosen[full.visual] = kept
    assert torch.equal(pruned.ids, full.ids[chosen])
    assert torch.equal(pruned.positions, full.positions[:, chosen])


def test_layout_is_the_stock_model_s(
    model: ModelAdapter, geometry: FrameGeometry, checkpoint: Path
) -> None:
    """Ids and positions of a whole prompt against the stock processor's and the stock model's."""
    published = Published(checkpoint)
    ids = published._ids(list(range(8)), [4, 6, 8], "Is it?", 2)
    kinds = (ids == published.model.config.video_token_id).int() * 2
    positions, _ = published.model.model.get_rope_index(
        ids, kinds, video_grid_thw=torch.tensor([[4, 6, 8]])
    )
    frames = [model.frame(Timestamp(t, t + 0.25, 1.0), whole(geometry), geometry) for t in range(4)]
    segments = [model.prompt(), *frames, model.question("Is it?")]
    assert torch.equal(torch.cat([s.ids for s in segments]), ids[0])
    starts = np.cumsum([0, *(s.span for s in segments[:-1])])
    ours = torch.cat([s.positions + b for s, b in zip(segments, starts, strict=True)], dim=1)
    assert torch.equal(ours, positions[:, 0])


def test_the_released_form_is_laid_out_and_not_the_one_with_a_pair_around_all_frames(
    model: ModelAdapter, geometry: FrameGeometry, checkpoint: Path
) -> None:
    """The model learned the form of its release; later processors leave the template's pair."""
    published, grid = Published(checkpoint), [4, 6, 8]
    released, later = (
        published._ids(list(range(8)), grid, "Is it?", 2, form)[0].tolist() for form in FORMS
    )
    timestamps = [Timestamp(t, t + 0.25, 1.0) for t in range(4)]
    ours = ids_of(whole_segments(model, timestamps, "Is it?", geometry))[0].tolist()
    assert ours == released
    start, _, end = _video_ids(published.model.config)
    before = len(model.prompt())
    behind = len(ours) - len(model.question("Is it?"))
    assert later == [*ours[:before], start, *ours[before:behind], end, *ours[behind:]]


@pytest.mark.parametrize("distance", [0, 1, 777, 60_000])
def test_moved_keys_are_those_computed_at_the_other_place(
    model: ModelAdapter, distance: int
) -> None:
    rotary = model.language.rotary_emb
    keys = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(1))

    def rotate(start: int) -> torch.Tensor:
        places = torch.arange(start, start + 5).expand(3, 1, -1)
        cos, sin = rotary(keys, places)
        half = torch.cat([-keys[..., 8:], keys[..., :8]], dim=-1)
        return keys * cos + half * sin

    turn = model.rotation(torch.full((5,), distance))
    moved = turn.apply(rotate(3).transpose(0, 1)).transpose(0, 1)
    assert torch.allclose(moved, rotate(3 + distance), atol=5e-3 if distance > 1000 else 1e-4)


@pytest.mark.parametrize("kind", ["dense", "moe"])
def test_flops_are_those_that_torch_counts(
    request: pytest.FixtureRequest, geometry: FrameGeometry, kind: str
) -> None:
    prefix = "moe_" if kind == "moe" else ""
    model = request.getfixturevalue(f"{prefix}model")
    path = request.getfixturevalue(f"{prefix}checkpoint")
    # Torch counts neither fused attention nor grouped experts: both run as plain products here.
    stock = AutoModelForImageTextToText.from_pretrained(path, attn_implementation="eager").eval()
    if kind == "moe":
        stock.set_experts_implementation("eager")
    published = Published(path)
    published.model = stock
    frames = [picture.rgb() for picture in noise_pictures(6)]
    tokens = published._ids(list(range(6)), [3, 6, 8], "Is it?", 2).shape[1]
    with FlopCounterMode(display=False) as counter:
        published.logits(frames, "Is it?", fps=2)
    ours = model.vision_flops([48] * 3, [48] * 3) + model.text_flops(tokens, tokens, logits=1)
    assert ours == pytest.approx(counter.get_total_flops(), rel=0.001)


@pytest.mark.parametrize("size", [(100, 96), (0, 32), (-32, 32)])
def test_sizes_off_the_grid_are_refused(model: ModelAdapter, size: tuple[int, int]) -> None:
    with pytest.raises(SettingsError, match="multiples of 32"):
        model.geometry(640, 480, 8, size)


def test_frames_are_of_the_size_that_the_family_s_tools_choose(model: ModelAdapter) -> None:
    assert model.geometry(1920, 1080, 80, None).grid.group_shape == (20, 36)
    assert model.geometry(1920, 1080, 640, None).grid.group_shape == (14, 25)


def test_patches_are_embedded_as_by_the_convolution(model):
    embed = model.vision.patch_embed
    project = embed.proj
    patches = torch.randn(5, project.weight[0].numel())
    expected = project(patches.view(5, *project.weight.shape[1:])).flatten(1)
    torch.testing.assert_close(embed(patches), expected, atol=1e-5, rtol=1e-5)
