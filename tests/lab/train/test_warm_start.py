"""What an InternVL takes over from a Qwen3-VL, and what it makes of it."""

from dataclasses import replace

import pytest
import torch

from costream.errors import SettingsError
from costream.lab.train.warm_start import warm_start
from costream.models import load_model, write_untrained
from costream.models.untrained import SIZES

SIZE = replace(SIZES["internvl-test"], text="qwen3", rope_theta=5_000_000.0)


def load(folder, size):
    return load_model(str(write_untrained(folder, size, seed=3)), device="cpu")


@pytest.fixture
def pair(tmp_path):
    model, source = load(tmp_path / "own", SIZE), load(tmp_path / "other", "test")
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


def test_other_sizes_and_other_families_are_refused(tmp_path, pair):
    model, source = pair
    wider = load(tmp_path / "wider", replace(SIZE, hidden=128))
    with pytest.raises(SettingsError, match="one of its own sizes only"):
        warm_start(wider, source)
    deeper = load(tmp_path / "deeper", replace(SIZE, layers=4))
    with pytest.raises(SettingsError, match="one of its own sizes only"):
        warm_start(deeper, source)
    with pytest.raises(SettingsError, match="only an InternVL can begin from"):
        warm_start(source, model)
