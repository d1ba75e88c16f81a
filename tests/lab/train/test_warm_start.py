"""What an InternVL takes over from a Qwen3-VL, and what it makes of it."""

from dataclasses import replace

import pytest
import torch

from costream.errors import SettingsError
from costream.lab.train.warm_start import warm_start
from costream.models import load_model, write_untrained
from costream.models.untrained import SIZES
from costream.video import Picture

SIZE = replace(SIZES["internvl-test"], text="qwen3", rope_theta=5_000_000.0)


def load(folder, size):
    return load_model(str(write_untrained(folder, size, seed=3)), device="cpu")


def picture(pixels):
    return Picture.from_rgb(pixels.numpy())


@pytest.fixture
def pair(tmp_path):
    model, source = load(tmp_path / "own", SIZE), load(tmp_path / "other", "test")
    torch.nn.init.normal_(source.vision.patch_embed.proj.bias)
    warm_start(model, source)
    return model, source


def test_text_means_the_same_to_both(pair):
    model, source = pair
    hidden = []
    for one in pair:
        ids = one.ids("Is someone fighting?")
        segment = one.text(ids)
        hidden.append(one.language(
            inputs_embeds=one.embed(segment, None)[None], position_ids=segment.positions[:, None]
            if one.axes == 3 else segment.positions
        ).last_hidden_state)  # fmt: skip
    torch.testing.assert_close(*hidden)
    start = model.tokenizer.convert_tokens_to_ids("<img>")
    other = source.tokenizer.convert_tokens_to_ids("<|vision_start|>")
    begun, known = model.language.embed_tokens.weight, source.language.embed_tokens.weight
    assert torch.equal(begun[start], known[other])


def test_a_patch_is_embedded_as_a_pair_of_equal_ones(pair):
    """At the same size of a patch: colours are normalised otherwise, and two frames are one."""
    model, source = pair
    shown = picture(torch.randint(0, 256, (96, 96, 3), dtype=torch.uint8))
    alone = model.pixels([shown], model.geometry(96, 96, 1, None))
    paired = source.pixels([shown] * 2, source.geometry(96, 96, 2, (96, 96)))
    project = model.vision.embeddings.patch_embeddings.projection
    seen = project(alone.view(-1, 3, 16, 16)).flatten(1)
    torch.testing.assert_close(seen, source.vision.patch_embed(paired), atol=1e-4, rtol=1e-4)


def test_a_larger_patch_is_embedded_as_if_it_were_resized(tmp_path, pair):
    _, source = pair
    model = load(tmp_path / "larger", replace(SIZE, image_size=128, patch_size=32))
    warm_start(model, source)
    # Every pixel four times: resizing takes that back.
    small = torch.randint(0, 256, (64, 64, 3), dtype=torch.uint8)
    large = small.repeat_interleave(2, 0).repeat_interleave(2, 1)
    alone = model.pixels([picture(large)], model.geometry(128, 128, 1, None))
    paired = source.pixels([picture(small)] * 2, source.geometry(64, 64, 2, (64, 64)))
    project = model.vision.embeddings.patch_embeddings.projection
    seen = project(alone.view(-1, 3, 32, 32)).flatten(1)
    torch.testing.assert_close(seen, source.vision.patch_embed(paired), atol=1e-4, rtol=1e-4)


def test_layers_of_the_encoder_are_those_of_the_source_without_rotation(pair):
    model, source = pair
    rows = torch.randn(5, 32)
    for layer, block in zip(model.vision.encoder.layer, source.vision.blocks, strict=True):
        normed = block.norm1(rows)
        parts = block.attn.qkv(normed).view(5, 3, 2, 16).permute(1, 2, 0, 3)
        mixed = torch.nn.functional.scaled_dot_product_attention(*parts)
        attended = rows + block.attn.proj(mixed.transpose(0, 1).flatten(1))
        expected = attended + block.mlp(block.norm2(attended))
        # The activation is the exact one here and its approximation there.
        torch.testing.assert_close(layer(rows[None])[0], expected, atol=1e-3, rtol=1e-3)


def test_other_sizes_and_other_families_are_refused(tmp_path, pair):
    model, source = pair
    wider = load(tmp_path / "wider", replace(SIZE, vision_hidden=64))
    with pytest.raises(SettingsError, match="one of its own sizes only"):
        warm_start(wider, source)
    deeper = load(tmp_path / "deeper", replace(SIZE, vision_depth=4))
    with pytest.raises(SettingsError, match="one of its own sizes only"):
        warm_start(deeper, source)
    with pytest.raises(SettingsError, match="only an InternVL can begin from"):
        warm_start(source, model)
