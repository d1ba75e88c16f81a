"""Products are taken in bfloat16 where the processor has instructions for it, and nowhere else."""

from __future__ import annotations

import pytest
import torch

from costream.lab.train.precision import autocast, optimising


@pytest.mark.parametrize(("has", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_processor_gets_the_precision_it_multiplies_in(
    monkeypatch: pytest.MonkeyPatch, has: bool, expected: torch.dtype
) -> None:
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: has)
    with autocast(torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == expected


@pytest.mark.parametrize(("has", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_an_optimiser_steps_in_the_precision_of_its_processor(
    monkeypatch: pytest.MonkeyPatch, has: bool, expected: torch.dtype
) -> None:
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: has)
    given = torch.ones(2, 2)
    with optimising(torch.device("cpu")):
        taken = given.bfloat16()
    assert taken.dtype == expected
    assert taken.data_ptr() != given.data_ptr()
