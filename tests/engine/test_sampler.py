"""Which token is written next."""

from __future__ import annotations

import pytest
import torch

from costream.engine.reply import ReplyOptions
from costream.engine.sampler import Sampler
from costream.errors import ModelError

LOGITS = torch.tensor([0.0, 3.0, 2.0, -torch.inf, 1.0])


def drawn(options: ReplyOptions, barred: tuple[int, ...] = (), times: int = 200) -> list[int]:
    sampler = Sampler(options, barred)
    return [sampler.pick(LOGITS) for _ in range(times)]


def test_without_a_temperature_it_is_the_likeliest() -> None:
    assert set(drawn(ReplyOptions())) == {1}
    assert set(drawn(ReplyOptions(), barred=(1,))) == {2}


def test_a_seed_draws_the_same_again() -> None:
    options = ReplyOptions(temperature=1.0, seed=3)
    assert drawn(options) == drawn(options) != drawn(ReplyOptions(temperature=1.0, seed=4))


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    found = drawn(ReplyOptions(temperature=1.0, seed=1), times=3000)
    shares = torch.tensor([found.count(token) / 3000 for token in range(5)])
    assert (shares - LOGITS.softmax(0)).abs().max() < 0.05


def test_only_the_likeliest_are_drawn() -> None:
    assert set(drawn(ReplyOptions(temperature=2.0, seed=1, top_p=0.01))) == {1}
    assert set(drawn(ReplyOptions(temperature=1.0, seed=1, top_p=0.8))) == {1, 2}
    assert 3 not in drawn(ReplyOptions(temperature=2.0, seed=1), barred=(0,))


def test_what_is_not_a_number_is_told() -> None:
    with pytest.raises(ModelError, match="not a number"):
        Sampler(ReplyOptions(), ()).pick(torch.tensor([0.0, torch.nan]))
