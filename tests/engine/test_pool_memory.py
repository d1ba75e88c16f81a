"""The size of a pool that nobody gave one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from costream.engine.engine import Engine
from costream.engine.pool_memory import (
    MOST_ROWS,
    POOL_SHARE,
    pass_bytes,
    pool_bytes,
    pool_memory,
)
from costream.engine.row_shape import RowShape
from costream.errors import SettingsError
from costream.models import ModelAdapter
from costream.settings import EngineSettings

SETTINGS = EngineSettings(fps=2, window=40, stride=8, frame_size=(448, 256))


def test_a_share_of_what_a_pass_leaves_is_the_pool_s(model: ModelAdapter) -> None:
    needed = pass_bytes(model, SETTINGS)
    assert pool_bytes(model, SETTINGS, needed + 10_000_000) == int(POOL_SHARE * 10_000_000)


def test_a_small_model_does_not_fill_a_gpu(model: ModelAdapter) -> None:
    most = MOST_ROWS * RowShape(model.kv_shape).bytes
    assert pool_bytes(model, SETTINGS, 1 << 50) == most


def test_a_device_without_room_for_a_pass_is_told(model: ModelAdapter) -> None:
    needed = pass_bytes(model, SETTINGS)
    with pytest.raises(SettingsError, match="are free beside the weights, and a pass takes about"):
        pool_bytes(model, SETTINGS, needed)


def test_a_pass_of_larger_pictures_takes_more(model: ModelAdapter) -> None:
    larger = SETTINGS.model_copy(update={"frame_size": (896, 512)})
    assert pass_bytes(model, larger) > pass_bytes(model, SETTINGS)


def test_on_a_cpu_it_takes_what_it_needs(model: ModelAdapter) -> None:
    assert pool_memory(model, SETTINGS) is None
    assert Engine(model, SETTINGS).runner.pool.limit is None


def test_on_a_gpu_engines_share_what_is_free_and_what_torch_has_unused(
    model: ModelAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 2 * pass_bytes(model, SETTINGS) + 30_000_000
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free - 1000, 1 << 40))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 5000)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 4000)
    on_gpu = replace(model.kv_shape, device=torch.device("cuda"))
    monkeypatch.setattr(model, "kv_shape", on_gpu)
    assert pool_memory(model, SETTINGS) == pool_bytes(model, SETTINGS, free)
    assert pool_memory(model, SETTINGS, engines=2) == pool_bytes(model, SETTINGS, free // 2)
