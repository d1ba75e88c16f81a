"""What a stream costs, against figures that were counted by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from costream.engine.engine import Engine
from costream.engine.stream_cost import (
    TYPICAL_ASK,
    Rows,
    RowShape,
    StreamCost,
    WindowLayout,
)
from costream.models import KVShape, ModelAdapter
from costream.settings import EngineSettings
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


def test_a_row_is_keys_and_values_and_features() -> None:
    # 36 layers x 2 x 8 heads x 128 numbers, and an embedding with three levels of DeepStack.
    plain = RowShape(QWEN3_VL_8B)
    assert plain.bytes == 2 * (73_728 + 16_384) == 180_224
    # A byte a number and a scale of two for each of 576 heads.
    assert replace(plain, packed=True).bytes == 73_728 + 2 * 576 + 2 * 16_384 == 107_648
    wide = replace(QWEN3_VL_8B, dtype=torch.float32)
    assert RowShape(wide).bytes == 2 * plain.bytes


def test_a_row_of_a_model_has_its_features(any_model: ModelAdapter) -> None:
    levels = {3: 2, 2: 1}[any_model.kv_shape.layers]
    kv = any_model.kv_shape.layers * 2 * 2 * 16
    assert RowShape.of(any_model).bytes == 4 * (kv + (1 + levels) * 64)


@pytest.mark.parametrize(
    ("share", "rows"),
    [
        # An anchor, 39 patches of 33 groups; 187 groups that are not kept refer to before; the new
        # are an anchor and seven patches of 33.
        (0.15, Rows(220 + 39 * 33, 360, 187, 220 + 7 * 33 + 72, 40)),
        (0.6, Rows(220 + 39 * 132, 360, 88, 220 + 7 * 132 + 72, 40)),
        (1.0, Rows(8800, 360, 0, 1760 + 72, 40)),
    ],
)
def test_rows_of_a_stream(share: float, rows: Rows) -> None:
    assert LAYOUT.rows(share) == rows
    assert LAYOUT.rows(share).held == rows.kept + 360 + rows.before
    assert LAYOUT.rows(share).passing == rows.arriving + 40


def test_what_is_kept_whole_is_the_window() -> None:
    assert LAYOUT.tokens == 3 + 40 * 229 + 40
    assert LAYOUT.rows(1.0).held == 40 * 229


def test_a_stream_with_more_anchors_than_one_a_window() -> None:
    often = replace(LAYOUT, between_anchors=8)
    assert often.rows(0.15).kept == 5 * 220 + 35 * 33
    assert replace(LAYOUT, between_anchors=1).rows(0.15).kept == 40 * 220


def test_carried_over_tokens_cost_no_row(model: ModelAdapter) -> None:
    geometry = model.geometry(224, 224, 8, (224, 224))
    settings = EngineSettings(fps=2, window=4, stride=1)
    layout = WindowLayout.of(model, geometry, settings, questions=1)
    row = RowShape.of(model)
    quiet, worst = (StreamCost.of(model, geometry, layout, row, s) for s in (0.15, 1.0))
    # 49 groups, of which 8 are kept; 4 temporal patches.
    assert (quiet.host, worst.host) == (4 * 41 * 16, 0)
    memory = 3 * 2 * 196 * 32 * 4
    assert quiet.memory == worst.memory == memory
    assert quiet.bytes == (49 + 3 * 8 + 4 * layout.label + 41) * row.bytes + memory
    assert worst.bytes == (4 * 49 + 4 * layout.label) * row.bytes + memory


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


def test_labels_are_counted_as_long_as_an_epoch_makes_them(model: ModelAdapter) -> None:
    geometry = model.geometry(224, 224, 8, (224, 224))
    short, long = (
        WindowLayout.of(model, geometry, EngineSettings(fps=2, epoch=epoch), questions=1).label
        for epoch in (100, 65536)
    )
    # Some seconds, and more than a thousand of them: three digits more.
    assert long == short + 3


def test_a_window_costs_what_the_models_passes_cost(model: ModelAdapter) -> None:
    geometry = model.geometry(224, 224, 8, (224, 224))
    settings = EngineSettings(fps=2, window=4, stride=2)
    layout = WindowLayout.of(model, geometry, settings, questions=2)
    row = RowShape.of(model)

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
        fps=2, window=4, stride=1, frame_size=(224, 224), pruner="none", epoch=400
    )
    stream = FakeStream(samples_of(noise_pictures(14)))
    *_, last = Engine(any_model, settings).watch(stream, [TYPICAL_ASK])
    geometry = any_model.geometry(224, 224, 8, (224, 224))
    layout = WindowLayout.of(any_model, geometry, settings, questions=1)
    cost = StreamCost.of(any_model, geometry, layout, RowShape.of(any_model), 1.0)
    # Labels are counted at their longest: a token or two more than here.
    assert last.flops.spent <= cost.flops < 1.1 * last.flops.spent
