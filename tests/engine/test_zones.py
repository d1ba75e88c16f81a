"""Zones: a question about one reads its tokens alone, in the same pass as all others."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from costream.engine.asks import Ask, zoned_asks
from costream.engine.attention.backends import ATTENTION
from costream.engine.engine import Engine
from costream.engine.questions import Questions
from costream.engine.schedule import Window
from costream.engine.view import StreamView
from costream.engine.watch import Watch
from costream.errors import SettingsError
from costream.models import SIZES, ModelAdapter, load_model, write_untrained
from costream.settings import EngineSettings
from tests.engine.driving import again, run
from tests.fakes import FakeStream, noise_pictures, samples_of

QUESTION, OTHER = "Is someone fighting?", "Has a person fallen?"
EVERYTHING = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
VIEW = StreamView(
    zones={
        "gate": ((0.0, 0.0), (0.4, 0.0), (0.4, 0.5), (0.0, 0.5)),
        "yard": ((0.6, 0.6), (1.0, 0.6), (1.0, 1.0)),
        "all": EVERYTHING,
    }
)
MIXED = [Ask(QUESTION, "gate"), QUESTION, Ask(OTHER, "yard"), OTHER, Ask(OTHER, "gate")]


def engine_of(model: ModelAdapter, **values: object) -> Engine:
    defaults = {"fps": 2, "window": 6, "stride": 2, "frame_size": (128, 96), "pruner": "random"}
    return Engine(model, EngineSettings.checked(**{**defaults, **values}))


def stream_of(ticks: int = 20) -> FakeStream:
    return FakeStream(samples_of(noise_pictures(ticks)))


def logits_of(engine: Engine, asks: Sequence[str | Ask], view: StreamView = VIEW) -> torch.Tensor:
    """Returns the logits of all windows: [windows, questions, vocabulary]."""
    stream = stream_of()
    watch = engine.open(stream, asks, view)
    found = [run(watch, window)[1] for window, _ in engine.windows(stream)]
    watch.close()
    return torch.stack(found)


def halted(engine: Engine, asks: Sequence[str | Ask]) -> Iterator[tuple[Watch, Window]]:
    """Yields a watch after each window."""
    stream = stream_of()
    watch = engine.open(stream, asks, VIEW)
    for window, _ in engine.windows(stream):
        run(watch, window)
        yield watch, window


def spoil(watch: Watch, zone: str) -> None:
    """Writes noise over keys and values, in all layers, of all that is outside a zone."""
    pool, inside = watch._runner.pool, watch.stream.view.zones[zone]
    rows, spared = [], []
    for patch in watch.state.window.patches:
        assert patch.segment is not None
        entries, _ = watch.state.window.table.entries(patch.slot, patch.tokens)
        visual = patch.segment.visual.numpy()
        seen = np.zeros(len(visual), np.bool_)
        seen[visual] = inside[patch.shown.numpy()]
        rows.append(entries[~seen])
        spared.append(entries[seen])
    outside = torch.from_numpy(np.setdiff1d(np.concatenate(rows), np.concatenate(spared)))
    generator = torch.Generator().manual_seed(0)
    for layer in range(pool.shape.layers):
        keys, _ = pool.gather(layer, outside, None)
        noise = torch.randn(2, *keys.shape, generator=generator)
        pool.write(layer, outside, *noise)


@pytest.mark.parametrize("size", [name for name in SIZES if "test" in name])
def test_a_zone_of_the_whole_picture_is_no_zone(size: str, tmp_path: Path) -> None:
    model = load_model(str(write_untrained(tmp_path, size)), device="cpu")
    pictures = noise_pictures(8)
    settings = EngineSettings(fps=2, window=3, stride=1, pruner="random")
    for attention in ATTENTION:
        engine = Engine(model, settings.model_copy(update={"attention": attention}))
        stream = FakeStream(samples_of(pictures))
        watch = engine.open(stream, [QUESTION, Ask(QUESTION, "all"), Ask(QUESTION, "gate")], VIEW)
        for window, _ in engine.windows(stream):
            plain, whole, part = run(watch, window)[1]
            spread = plain.max() - plain.min()
            assert (plain - whole).abs().max() < 1e-5 * spread
            assert (plain - part).abs().max() > 1e-3 * spread


@pytest.mark.parametrize("attention", list(ATTENTION))
def test_questions_together_are_answered_as_each_alone(
    any_model: ModelAdapter, attention: str
) -> None:
    engine = engine_of(any_model, attention=attention)
    together = logits_of(engine, MIXED)
    for number, ask in enumerate(MIXED):
        alone = logits_of(engine, [ask])
        assert (together[:, number] - alone[:, 0]).abs().max() < 1e-4
    plain = logits_of(engine, [QUESTION, OTHER], StreamView())
    assert (together[:, [1, 3]] - plain).abs().max() < 1e-4


def test_backends_agree(any_model: ModelAdapter) -> None:
    ours, theirs = (logits_of(engine_of(any_model, attention=name), MIXED) for name in ATTENTION)
    assert (ours - theirs).abs().max() < 1e-5 * (ours.max() - ours.min())


@pytest.mark.parametrize("chunk", [1, 50, 2048])
def test_passes_of_any_length_give_the_same(model: ModelAdapter, chunk: int) -> None:
    ours, whole = (logits_of(engine_of(model, chunk=n), MIXED) for n in (chunk, 4096))
    assert (ours - whole).abs().max() < 1e-4


@pytest.mark.parametrize("attention", list(ATTENTION))
@pytest.mark.parametrize("hold", [True, False])
def test_what_lies_outside_of_a_zone_is_not_attended_to(
    model: ModelAdapter, attention: str, hold: bool
) -> None:
    engine = engine_of(model, attention=attention, hold=hold, refresh="none")
    for watch, window in halted(engine, [Ask(QUESTION, "gate"), QUESTION, Ask(QUESTION, "yard")]):
        before = again(watch, window)
        spoil(watch, "gate")
        after = again(watch, window)
        assert torch.equal(before[0], after[0])
        assert (before[1] - after[1]).abs().max() > 1e-2
        assert (before[2] - after[2]).abs().max() > 1e-2
        watch.close()
        break


@pytest.mark.parametrize("capture", [False, True])
def test_answers_in_words_see_the_zone_alone_as_well(model: ModelAdapter, capture: bool) -> None:
    engine = engine_of(model, capture=capture)
    for watch, window in halted(engine, [Ask(QUESTION, "gate"), QUESTION]):
        texts = []
        for _ in range(2):
            plan, output = watch.run(
                watch.ingest.prepare(Window(window.index, window.start, window.end, ()))
            )
            firsts, spans = {0: 5, 1: 5}, watch.questions.spans
            texts.append(engine.runner.write(plan, firsts, spans, ninth, 6)[0])
            watch.state.commit(plan)
            assert output.logits.shape[0] == 2
            spoil(watch, "gate")
        assert texts[0][0] == texts[1][0]
        assert texts[0][1] != texts[1][1]
        watch.close()
        break


def ninth(logits: torch.Tensor) -> list[int]:
    """Picks what hangs on many logits: an untrained model's likeliest token is its last one."""
    return logits.topk(9).indices[:, -1].tolist()


def test_what_is_shared_is_computed_once_for_each_zone(model: ModelAdapter) -> None:
    engine = engine_of(model)
    both = Questions(model, [Ask(QUESTION, "gate"), Ask(OTHER, "gate")], engine.settings)
    plain = Questions(model, [QUESTION, OTHER], engine.settings)
    assert both.tokens == plain.tokens
    apart = Questions(model, [Ask(QUESTION, "gate"), OTHER], engine.settings)
    alone = [Questions(model, [ask], engine.settings).tokens for ask in (QUESTION, OTHER)]
    assert apart.tokens == sum(alone)
    assert plain.audience is None


def test_results_say_which_zone_was_asked_about(model: ModelAdapter) -> None:
    engine = engine_of(model)
    for result in engine.watch(stream_of(), MIXED, view=VIEW):
        assert [(answer.ask, answer.zone) for answer in result.answers] == [
            (ask, None) if isinstance(ask, str) else (ask.text, ask.zone) for ask in MIXED
        ]
        assert result.to_dict()["answers"][0]["zone"] == "gate"


def test_zones_are_asked_about_while_a_stream_runs(model: ModelAdapter) -> None:
    with engine_of(model).session() as session:
        handle = session.add(stream_of(200), [QUESTION], view=VIEW)
        results = iter(handle)
        assert next(results).answers[0].zone is None
        handle.ask([Ask(f" {QUESTION} ", "gate")])
        assert handle.asks == (Ask(QUESTION, "gate"),)
        with pytest.raises(SettingsError, match="unknown zone 'door': choose one of gate, yard"):
            handle.ask([Ask(QUESTION, "door")])
        found = next(result for result in results if result.answers[0].zone == "gate")
        assert found.asked_since == found.index
        handle.cancel()


def test_a_zone_that_is_not_there_is_told_at_once(model: ModelAdapter) -> None:
    engine = engine_of(model)
    with pytest.raises(SettingsError, match="unknown zone 'gate': this stream has no zones"):
        engine.watch(stream_of(), [Ask(QUESTION, "gate")])
    with engine.session() as session, pytest.raises(SettingsError, match="'door': choose one of"):
        session.add(stream_of(), [Ask(QUESTION, "door")], view=VIEW)
    with pytest.raises(SettingsError, match="at most 62 zones"):
        zoned_asks([Ask(QUESTION, str(n)) for n in range(63)], [str(n) for n in range(63)])


def test_as_many_zones_as_there_may_be_are_told_apart(model: ModelAdapter) -> None:
    names = [f"zone {n}" for n in range(62)]
    rng = np.random.default_rng(0)
    spots = rng.random((62, 2)) * 0.8
    view = StreamView(
        zones={
            name: ((x, y), (x + 0.2, y), (x, y + 0.2))
            for name, (x, y) in zip(names, spots, strict=True)
        }
    )
    asks = [QUESTION, *(Ask(QUESTION, name) for name in names)]
    engine = engine_of(model)
    together = logits_of(engine, asks, view)
    for number in (0, 1, 30, 61, 62):
        alone = logits_of(engine, [asks[number]], view)
        assert (together[:, number] - alone[:, 0]).abs().max() < 1e-4


def test_a_view_travels_and_says_what_is_wrong_with_it() -> None:
    view = pickle.loads(pickle.dumps(VIEW))
    assert view == VIEW
    lists = StreamView(masks=([[0, 0], [1, 0], [1, 1]],))  # type: ignore[arg-type]
    assert lists.masks == (((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)),)
    with pytest.raises(SettingsError, match="zone 'gate' has 2 corners"):
        StreamView(zones={"gate": ((0.0, 0.0), (1.0, 1.0))})
