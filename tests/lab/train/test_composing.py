"""Windows that are put together from tokens of others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from costream.lab.train.code import EVENTS, MARKS, SEEN, VALUES, Code
from costream.lab.train.composing import APART, TokenBank

PERSON, WALK, BAG = (SEEN.index(name) for name in ("person", "walk", "bag"))
STEALING = len(SEEN) + EVENTS.index("stealing")


@pytest.fixture
def code() -> Code:
    return Code(48, 1)


def groups(*shown: dict[int, float]) -> Tensor:
    values = torch.zeros(len(shown), VALUES)
    for row, marks in zip(values, shown, strict=True):
        for place, value in marks.items():
            row[place] = value
    return values


def said_by(code: Code, values: Tensor, seed: int) -> Tensor:
    """What an encoder might say: absent marks at -1, and each token with something of its own."""
    draw = torch.Generator().manual_seed(seed)
    read = values.nan_to_num(0.0).clone()
    read[:, :MARKS] = APART * read[:, :MARKS] - 1
    return code.write(read) + 0.1 * torch.randn(len(values), 48, generator=draw)


def test_a_group_has_a_token_of_one_that_shows_the_same(code: Code) -> None:
    bank, draw = TokenBank(code), np.random.default_rng(1)
    values = groups({}, {PERSON: 1, WALK: 1, MARKS: 0.5}, {}, {PERSON: 1, WALK: 1, MARKS: -0.5})
    values[0, MARKS:] = torch.nan
    tokens = said_by(code, values, 1)
    bank.put("a clip", values, tokens)
    composed = bank.compose(values, draw)
    # Of the two that show nothing either may stand for either, and does in time.
    assert torch.allclose(composed[[1, 3]], tokens[[1, 3]], atol=1e-5)
    nothing = torch.stack([bank.compose(values[:1], draw)[0] for _ in range(40)])
    for token in tokens[[0, 2]]:
        assert any(torch.allclose(one, token, atol=1e-5) for one in nothing)


def test_what_differs_is_made_up_for(code: Code) -> None:
    bank, draw = TokenBank(code), np.random.default_rng(1)
    values = groups({PERSON: 1, WALK: 1, MARKS: 0.5}, {BAG: 1})
    bank.put("a clip", values, said_by(code, values, 1))
    (thief,) = code.read(bank.compose(groups({PERSON: 1, STEALING: 1, MARKS: 0.8}), draw))
    walker, _ = code.read(said_by(code, values, 1))
    assert thief[STEALING] == pytest.approx(float(walker[STEALING]) + APART, abs=1e-4)
    assert thief[WALK] == pytest.approx(float(walker[WALK]) - APART, abs=1e-4)
    assert thief[MARKS] == pytest.approx(float(walker[MARKS]) + 0.3, abs=1e-4)
    assert thief[PERSON] == pytest.approx(float(walker[PERSON]), abs=1e-4)


def test_a_clip_that_is_taken_out_lends_no_token(code: Code) -> None:
    bank, draw = TokenBank(code), np.random.default_rng(1)
    values = groups({PERSON: 1})
    first, second = said_by(code, values, 1), said_by(code, values, 2)
    bank.put("first", values, first)
    bank.put("second", values, second)
    bank.drop("first")
    drawn = torch.cat([bank.compose(values, draw) for _ in range(20)])
    assert torch.allclose(drawn, second.expand(20, -1), atol=1e-5)
