"""Attention by products is what PyTorch's is, forwards and backwards."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from costream.lab.train import attention
from costream.lab.train.attention import attend, matmul_attention

QUERIES, KEYS, WIDTH = 9, 9, 4


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def mask(kind):
    if kind == "seen":
        return (torch.rand(QUERIES, KEYS) > 0.3) | torch.eye(QUERIES, dtype=torch.bool)
    return torch.randn(QUERIES, KEYS, dtype=torch.float64) if kind == "added" else None


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"is_causal": True},
        {"scale": 0.3},
        {"enable_gqa": True},
        {"attn_mask": "seen"},
        {"attn_mask": "added"},
    ],
    ids=str,
)
@pytest.mark.parametrize("chunk", [4, attention.CHUNK])
def test_equals_the_fused_attention_and_its_gradients(options, chunk, monkeypatch):
    monkeypatch.setattr(attention, "CHUNK", chunk)
    torch.manual_seed(1)
    if "attn_mask" in options:
        options = {"attn_mask": mask(options["attn_mask"])}
    heads = 2 if options.get("enable_gqa") else 6
    parts = draw(2, 6, QUERIES, WIDTH), draw(2, heads, KEYS, WIDTH), draw(2, heads, KEYS, WIDTH)
    towards = torch.randn(2, 6, QUERIES, WIDTH, dtype=torch.float64)
    expected = scaled_dot_product_attention(*parts, **options)
    mixed = attend(*parts, **options)
    torch.testing.assert_close(mixed, expected)
    torch.testing.assert_close(
        torch.autograd.grad(mixed, parts, towards), torch.autograd.grad(expected, parts, towards)
    )


def test_takes_queries_and_keys_wider_than_values():
    query, key = torch.randn(2, 3, 5, 8, requires_grad=True), torch.randn(2, 3, 5, 8)
    value = torch.randn(2, 3, 5, 8, dtype=torch.bfloat16)
    mixed = attend(query, key, value)
    assert mixed.dtype == torch.bfloat16
    mixed.float().sum().backward()
    assert query.grad.dtype == torch.float32


def test_stands_in_within_its_mode_only(monkeypatch):
    taken = []
    monkeypatch.setattr(attention, "attend", lambda query, *rest: taken.append(1) or query)
    parts = draw(1, 1, 3, 4), draw(1, 1, 3, 4), draw(1, 1, 3, 4)
    scaled_dot_product_attention(*parts)
    assert not taken
    with matmul_attention():
        scaled_dot_product_attention(*parts)
    assert taken


def test_dropout_is_refused():
    parts = draw(1, 1, 3, 4), draw(1, 1, 3, 4), draw(1, 1, 3, 4)
    with pytest.raises(ValueError, match="dropout"):
        attend(*parts, dropout_p=0.1)
