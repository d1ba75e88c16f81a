from __future__ import annotations

import json

import numpy as np
import pytest

from costream.engine.engine import Engine
from costream.engine.refresh import REFRESH
from costream.errors import SettingsError
from costream.models import ModelAdapter
from costream.pruning import PRUNERS
from costream.settings import EngineSettings
from costream.video import Picture
from tests.fakes import FakeStream, noise_pictures, samples_of


def still_stream(count: int, *, moving: int = 24) -> FakeStream:
    """A still picture in which one square keeps changing."""
    rng = np.random.default_rng(3)
    base = rng.integers(0, 256, (96, 128, 3), dtype=np.uint8)
    pictures = []
    for _ in range(count):
        frame = base.copy()
        frame[40 : 40 + moving, 40 : 40 + moving] = rng.integers(0, 256, (moving, moving, 3))
        pictures.append(Picture.from_rgb(frame))
    return FakeStream(samples_of(pictures))


def engine(model: ModelAdapter, **values: object) -> Engine:
    defaults = {"fps": 2, "window": 6, "stride": 2, "frame_size": (128, 96)}
    return Engine(model, EngineSettings.checked(**{**defaults, **values}))


@pytest.mark.parametrize("refresh", list(REFRESH))
@pytest.mark.parametrize("pruner", ["none", "random", "last-kept"])
@pytest.mark.parametrize("hold", [True, False])
def test_token_counts_add_up(model: ModelAdapter, hold: bool, pruner: str, refresh: str) -> None:
    watcher = engine(model, pruner=pruner, refresh=refresh, hold=hold)
    results = list(watcher.watch(still_stream(40), ["Is it?"]))
    assert [(v.start, v.end) for v in results] == [(2 * i, 2 * i + 6) for i in range(8)]
    for result in results:
        tokens = result.tokens
        shown = tokens.kept + tokens.carried
        assert tokens.prefilled + tokens.referring + tokens.reused == shown <= tokens.full == 6 * 12
        assert result.flops.spent > 0
        assert result.frames == 12
        assert 0 <= result.answers[0].score <= 1
    if refresh == "full":
        assert all(v.tokens.reused == 0 for v in results)
    elif refresh == "none":
        assert all(v.tokens.reused > 0 for v in results[1:])
    if pruner == "none":
        assert all(v.tokens.kept == v.tokens.full for v in results)
    elif hold:
        assert all(v.tokens.kept + v.tokens.carried == v.tokens.full for v in results)
    else:
        assert all(v.tokens.carried == v.tokens.referring == 0 for v in results)


def test_savings_are_real(model: ModelAdapter) -> None:
    (*_, last) = engine(model).watch(still_stream(40), ["Is it?"])
    assert last.tokens.kept < last.tokens.full / 2
    assert last.flops.spent < last.flops.full / 2


def test_nothing_saved_costs_what_full_costs(model: ModelAdapter) -> None:
    """The first window has nothing to reuse: spent and full are the same shapes, both counted."""
    first = next(engine(model, pruner="none").watch(still_stream(12), ["Is it?"]))
    assert first.flops.spent == pytest.approx(first.flops.full, rel=0.02)


def test_same_stream_same_results(model: ModelAdapter) -> None:
    runs = [
        [(v.tokens, v.answers) for v in engine(model).watch(still_stream(30), ["Is it?"])]
        for _ in range(2)
    ]
    assert runs[0] == runs[1]


def test_result_is_json(model: ModelAdapter) -> None:
    result = next(engine(model).watch(still_stream(12), ["Is it?", "Or not?"]))
    values = json.loads(json.dumps(result.to_dict()))
    assert values["stream"] == "fake"
    assert [a["ask"] for a in values["answers"]] == ["Is it?", "Or not?"]
    assert set(values["answers"][0]) == {
        "ask",
        "score",
        "text",
        "threshold",
        "decision",
        "calibrated",
        "zone",
    }
    assert set(values["tokens"]) == {
        "full",
        "encoded",
        "kept",
        "carried",
        "prefilled",
        "referring",
        "reused",
    }
    assert set(values["flops"]) == {"full", "spent", "asking"}
    assert set(values["seconds"]) == {"decode", "prune", "vision", "prefill", "generate"}


@pytest.mark.parametrize("refresh", list(REFRESH))
def test_memory_does_not_grow_with_the_stream(model: ModelAdapter, refresh: str) -> None:
    watcher = engine(model, refresh=refresh, pruner="none")
    stream = still_stream(240)
    watch = watcher.open(stream, ["Is it?"])
    held = []
    for window, _ in watcher.windows(stream):
        watch.step(window)
        held.append(watcher.runner.pool.used)
        # Of six, those that the next window shares.
        assert len(watch.state.window.patches) == 4
    assert len(held) > 50
    # Timestamps grow from "<9.5 seconds>" to "<119.5 seconds>": two tokens in each of four patches.
    assert max(held[10:]) <= max(held[3:10]) + 4 * 2


def test_eight_bits_change_answers_a_little(any_model: ModelAdapter) -> None:
    plain, packed = (
        [
            result.answers[0].score
            for result in engine(any_model, kv_dtype=kv_dtype).watch(still_stream(60), ["Is it?"])
        ]
        for kv_dtype in (None, "int8")
    )
    assert packed != plain
    assert packed == pytest.approx(plain, abs=0.01)


def test_a_damaged_frame_is_counted(model: ModelAdapter) -> None:
    from dataclasses import replace

    samples = samples_of(noise_pictures(12))
    broken = replace(samples[5], change=replace(samples[5].change, damaged=True))
    stream = FakeStream([*samples[:5], broken, *samples[6:]])
    result = next(engine(model).watch(stream, ["Is it?"]))
    assert result.damaged == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"pruner": "nope"}, "unknown pruner 'nope': choose one of"),
        ({"refresh": "nope"}, "unknown refresh policy"),
        ({"window": 2, "stride": 4}, "shorter than its stride"),
        ({"fps": 0}, "setting fps: input should be greater than 0"),
        ({"fps": float("nan")}, "setting fps"),
        ({"keep": 1.5}, "setting keep"),
        ({"typo": 1}, "setting typo"),
    ],
)
def test_wrong_settings_are_one_sentence(values: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        EngineSettings.checked(**values)
    assert "\n" not in str(caught.value)


def test_a_frame_size_that_does_not_fit_is_refused(model: ModelAdapter) -> None:
    with pytest.raises(SettingsError, match="multiples of 32"):
        engine(model, frame_size=(100, 96)).watch(still_stream(4), ["Is it?"])


@pytest.mark.parametrize("name", list(PRUNERS))
def test_every_registered_rule_runs(model: ModelAdapter, name: str) -> None:
    results = list(engine(model, pruner=name, window=2).watch(still_stream(8), ["Is it?"]))
    assert [v.tokens.kept + v.tokens.carried > 0 for v in results] == [True] * 2


def test_pruning_after_the_encoder_saves_nothing_of_the_encoder(model: ModelAdapter) -> None:
    asks = ["Is it?"]
    evs = list(engine(model, pruner="evs", keep=0.25).watch(still_stream(40), asks))
    whole = list(engine(model, pruner="none").watch(still_stream(40), asks))
    assert [v.tokens.encoded for v in evs] == [v.tokens.encoded for v in whole]
    assert all(v.tokens.kept < v.tokens.full / 2 for v in evs)
    assert all(v.tokens.encoded >= v.tokens.full / 3 for v in evs)
    cheap = list(engine(model, pruner="random", keep=0.25).watch(still_stream(40), asks))
    budget = sum(v.tokens.kept for v in cheap)
    assert sum(v.tokens.kept for v in evs) == pytest.approx(budget, rel=0.05)
    assert sum(v.flops.spent for v in evs) > sum(v.flops.spent for v in cheap)


def test_recent_frames_alone_cost_and_count_alone(model: ModelAdapter) -> None:
    results = list(engine(model, pruner="none", recent=2).watch(still_stream(40), ["Is it?"]))
    assert [(v.start, v.end) for v in results] == [(2 * i + 4, 2 * i + 6) for i in range(8)]
    assert {v.tokens.full for v in results} == {2 * 12}


def test_what_asking_costs_is_part_of_what_is_spent(model: ModelAdapter) -> None:
    one, two = (
        next(engine(model).watch(still_stream(12), asks))
        for asks in (["Is it?"], ["Is it?", "Or is it not?"])
    )
    assert 0 < one.flops.asking < one.flops.spent
    more = two.flops.spent - one.flops.spent
    # Masked keys count, so a second question makes the pass dearer for the video's tokens too.
    assert 0.8 * more < two.flops.asking - one.flops.asking < more
