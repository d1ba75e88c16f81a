"""What a stream costs, against figures that were counted by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import ceil

import numpy as np
import pytest
import torch

from costream.engine.engine import Engine
from costream.engine.result import Result
from costream.engine.row_shape import RowShape
from costream.engine.stream_cost import TYPICAL_ASK, Rows, StreamCost, WindowLayout
from costream.engine.watch import Watch
from costream.models import KVShape, ModelAdapter
from costream.pruning import KeepMask, Pruner
from costream.settings import EngineSettings
from costream.video import Sample
from tests.engine.driving import check_integrity
from tests.fakes import FakeStream, noise_pictures, samples_of

QWEN3_VL_8B = KVShape(36, 8, 128, 4096, 3, torch.bfloat16, torch.device("meta"))

LAYOUT = WindowLayout(
    patches=40,
    arriving=8,
    between_anchors=80,
    groups=220,
    label=9,
    questions=2,
    question=20,
    prompt=3,
)
"""80 frames of 640x360 at 2 a second, moving on by 8 s."""


def test_a_row_is_keys_and_values() -> None:
    # 36 layers x 2 x 8 heads x 128 numbers.
    plain = RowShape(QWEN3_VL_8B)
    assert plain.bytes == 2 * 73_728
    # A byte a number and a scale of two for each of 576 heads.
    assert replace(plain, packed=True).bytes == 73_728 + 2 * 576
    wide = replace(QWEN3_VL_8B, dtype=torch.float32)
    assert RowShape(wide).bytes == 2 * plain.bytes


def test_a_page_holds_features_without_a_rest() -> None:
    # An embedding with three levels of DeepStack are 8 x 2048 numbers, the room of 8 of 36 layers.
    page = RowShape(QWEN3_VL_8B)
    assert (page.feature_units, page.page_rows, page.page_features) == (8, 2, 9)
    assert [page.feature_rows(tokens) for tokens in (0, 1, 9, 10)] == [0, 2, 2, 4]
    assert page.with_features(9) == 11 * page.bytes
    # In 8 bits a layer's room is 2048 bytes, and features are 16 of them.
    packed = replace(page, packed=True)
    assert (packed.feature_units, packed.page_rows, packed.page_features) == (16, 4, 9)
    # Larger than a row: 8 x 64 numbers in rows of 3 x 128.
    wide = RowShape(replace(QWEN3_VL_8B, layers=3, kv_heads=1, head_dim=64, hidden=128))
    assert (wide.feature_units, wide.page_rows, wide.page_features) == (4, 4, 3)


@pytest.mark.parametrize(
    ("share", "rows"),
    [
        # The next window shares 32 patches: an anchor, 31 of 33 groups; 187 groups that are not
        # kept refer to before; the new are an anchor and seven patches of 33.
        (0.15, Rows(220 + 31 * 33, 288, 187, 220 + 7 * 33 + 72, 40)),
        (0.6, Rows(220 + 31 * 132, 288, 88, 220 + 7 * 132 + 72, 40)),
        (1.0, Rows(7040, 288, 0, 1760 + 72, 40)),
    ],
)
def test_rows_of_a_stream(share: float, rows: Rows) -> None:
    assert LAYOUT.rows(share) == rows
    assert LAYOUT.rows(share).held == rows.kept + 288 + rows.before
    assert LAYOUT.rows(share).passing == rows.arriving + 40


def test_what_is_kept_whole_is_the_window() -> None:
    assert LAYOUT.tokens == 3 + 40 * 229 + 40
    assert LAYOUT.rows(1.0).held + LAYOUT.rows(1.0).arriving == 40 * 229


def test_windows_that_share_nothing_hold_what_is_carried_over() -> None:
    apart = replace(LAYOUT, arriving=40)
    assert (apart.rows(0.15).held, apart.rows(0.15).visual) == (220, 220)


def test_a_stream_with_more_anchors_than_one_a_window() -> None:
    often = replace(LAYOUT, between_anchors=8)
    assert often.rows(0.15).kept == 4 * 220 + 28 * 33
    assert replace(LAYOUT, between_anchors=1).rows(0.15).kept == 32 * 220


def test_carried_over_tokens_cost_no_row(model: ModelAdapter) -> None:
    geometry = model.geometry(224, 224, 8, (224, 224))
    settings = EngineSettings(fps=2, window=4, stride=1)
    layout = WindowLayout.of(model, geometry, settings, questions=1)
    row = RowShape(model.kv_shape)
    quiet, worst = (StreamCost.of(model, geometry, layout, row, s) for s in (0.15, 1.0))
    # 49 groups, of which 8 are kept; 4 temporal patches, of which the next window shares 3.
    assert (quiet.host, worst.host) == (4 * 41 * 16, 0)
    memory = 3 * 2 * 196 * 32 * 4
    assert quiet.memory == worst.memory == memory
    kept, labels = 49 + 2 * 8, 3 * layout.label
    # Features are as large as a row here.
    assert row.page_features == row.page_rows
    assert quiet.bytes == (2 * (kept + 41) + labels) * row.bytes + memory
    assert worst.bytes == (2 * 3 * 49 + labels) * row.bytes + memory
    assert quiet.parts == {
        "kept": kept * row.bytes,
        "labels": labels * row.bytes,
        "before": 41 * row.bytes,
        "features": (kept + 41) * row.bytes,
        "encoder_memory": memory,
    }
    assert quiet.passing == row.with_features(49 + layout.label + layout.question)


def test_a_window_s_layout_is_that_of_the_engine(model: ModelAdapter) -> None:
    geometry = model.geometry(224, 224, 8, (224, 224))
    settings = EngineSettings(fps=2, window=4, stride=1, ask_form="{ask}")
    layout = WindowLayout.of(model, geometry, settings, questions=3)
    assert (layout.patches, layout.arriving, layout.between_anchors) == (4, 1, 8)
    assert layout.question == len(model.question("Is someone fighting?"))
    assert layout.prompt == len(model.prompt())
    assert WindowLayout.of(
        model, geometry, settings.model_copy(update={"anchor_every": 3.0}), questions=3
    ).between_anchors == 3  # fmt: skip


def test_labels_are_counted_as_long_as_an_rebase_makes_them(model: ModelAdapter) -> None:
    def settings(rebase_after: int) -> EngineSettings:
        return EngineSettings(fps=2, window=4, stride=1, rebase_after=rebase_after)

    geometry = model.geometry(224, 224, 8, (224, 224))
    short, long = (
        WindowLayout.of(model, geometry, settings(rebase_after), questions=1).label
        for rebase_after in (100, 65536)
    )
    # Some seconds, and more than a thousand of them: three digits more.
    assert long == short + 3


def test_a_window_costs_what_the_models_passes_cost(model: ModelAdapter) -> None:
    geometry = model.geometry(224, 224, 8, (224, 224))
    settings = EngineSettings(fps=2, window=4, stride=2)
    layout = WindowLayout.of(model, geometry, settings, questions=2)
    row = RowShape(model.kv_shape)

    def passes(groups: int) -> int:
        vision = model.vision_flops([4 * groups] * 2, [196] * 2)
        queries = 2 * (groups + layout.label) + 2 * layout.question
        return vision + model.text_flops(queries, layout.tokens, 2, read=2)

    whole = StreamCost.of(model, geometry, layout, row, 1.0).flops
    assert whole == passes(49)
    # One temporal patch in eight is an anchor.
    expected = passes(8) * 7 / 8 + passes(49) / 8
    assert StreamCost.of(model, geometry, layout, row, 0.15).flops == pytest.approx(expected)


def test_a_window_that_is_kept_whole_costs_what_the_engine_spends(any_model: ModelAdapter) -> None:
    settings = EngineSettings(
        fps=2, window=4, stride=1, frame_size=(224, 224), pruner="none", rebase_after=400
    )
    stream = FakeStream(samples_of(noise_pictures(14)))
    *_, last = Engine(any_model, settings).watch(stream, [TYPICAL_ASK])
    geometry = any_model.geometry(224, 224, 8, (224, 224))
    layout = WindowLayout.of(any_model, geometry, settings, questions=1)
    cost = StreamCost.of(any_model, geometry, layout, RowShape(any_model.kv_shape), 1.0)
    # Labels are counted at their longest: a token or two more than here.
    assert last.flops.spent <= cost.flops < 1.1 * last.flops.spent


class QuietCamera(Pruner):
    """Keeps 15% of the groups, others each time, and a whole frame every two windows."""

    name = "quiet"

    def decide(self, samples: Sequence[Sample]) -> KeepMask:
        tick, groups = samples[0].tick, self.grid.groups
        if tick % (2 * 40) == 0:
            return KeepMask(np.ones(self.grid.group_shape, np.bool_), "age")
        kept = np.zeros(groups, np.bool_)
        order = np.random.default_rng(tick).permutation(groups)
        kept[order[: ceil(0.15 * groups - 1e-6)]] = True
        return KeepMask(kept.reshape(self.grid.group_shape), None)


def watch_quietly(
    model: ModelAdapter, *, rebase_after: int, ticks: int, **values: object
) -> Iterator[tuple[Watch, Result]]:
    settings = EngineSettings.checked(
        fps=2, window=20, stride=4, frame_size=(224, 224), rebase_after=rebase_after, **values
    )
    engine = Engine(model, settings)
    engine._pruner = QuietCamera
    stream = FakeStream(samples_of(noise_pictures(40) * (ticks // 40)))
    watch = engine.open(stream, [TYPICAL_ASK])
    for window, _ in engine.windows(stream):
        yield watch, watch.step(window)
        check_integrity([watch])


def allocated(watch: Watch) -> float:
    """Bytes of the pool that are in use for the stream, and of its encoder memory."""
    runner = watch._runner
    rows, row = runner.pool.used - runner.prompt.tokens, runner.pool.bytes / runner.pool.capacity
    return rows * row + runner._memories[watch.stream.key].bytes


@pytest.mark.parametrize("kv_dtype", [None, "int8"])
def test_what_is_allocated_at_the_worst_moment_is_what_is_planned(
    any_model: ModelAdapter, kv_dtype: str | None
) -> None:
    watched = watch_quietly(any_model, rebase_after=65536, ticks=200, kv_dtype=kv_dtype)
    most = max(allocated(watch) for watch, _ in watched)
    geometry = any_model.geometry(224, 224, 40, (224, 224))
    settings = EngineSettings(fps=2, window=20, stride=4, rebase_after=1200)
    layout = WindowLayout.of(any_model, geometry, settings, questions=1)
    row = RowShape(any_model.kv_shape, packed=kv_dtype is not None)
    cost = StreamCost.of(any_model, geometry, layout, row, 0.15)
    assert most == pytest.approx(cost.bytes, rel=0.05)


def test_memory_stays_flat_through_rebases(model: ModelAdapter) -> None:
    found = [
        (allocated(watch), result.rebased)
        for watch, result in watch_quietly(model, rebase_after=900, ticks=400)
    ]
    rebases = [n for n, (_, rebased) in enumerate(found) if rebased and n]
    assert len(rebases) >= 2
    before, after = found[: rebases[0]], found[rebases[1] :]
    # A label at the end of an rebase_after may be a token longer than at its beginning.
    assert max(taken for taken, _ in after) <= 1.02 * max(taken for taken, _ in before)
