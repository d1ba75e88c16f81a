"""What scripts/gpu.py checks and measures, a function a part."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from transformers.utils import logging
from typer.testing import CliRunner

from costream.cli import app
from costream.engine.attention.backends import ATTENTION
from costream.engine.attention.kernel import StreamTokens
from costream.engine.batch import Batch
from costream.engine.engine import Engine
from costream.engine.kv_pool import KVPool
from costream.engine.plan import SHARED, Keys
from costream.engine.upload import Upload
from costream.engine.watch import Watch
from costream.models import (
    SIZES,
    KVShape,
    ModelAdapter,
    Moment,
    Rotation,
    load_model,
    write_untrained,
)
from costream.settings import EngineSettings
from costream.video import BLOCK, ChangeMap, Picture, Sample, StreamInfo

if TYPE_CHECKING:
    from scripts.gpu import Part, Report, Setup

ASK = "Is someone fighting?"

TOLERANCE = 1e-3
"""Of float32, as a share of the range of logits: that of the golden tests."""

FAMILIES = [name for name in SIZES if "test" in name]

logging.disable_progress_bar()


class Noise:
    """A source in memory, whose frames have nothing in common.

    Args:
        frames: how many.
        size: their (width, height).
        seed: of the noise.
    """

    decode_seconds = 0.0

    def __init__(self, frames: int, size: tuple[int, int], seed: int = 0) -> None:
        rng, shape = np.random.default_rng(seed), (size[1], size[0], 3)
        self._pictures = [
            Picture.from_rgb(rng.integers(0, 256, shape, dtype=np.uint8)) for _ in range(frames)
        ]
        self.info = StreamInfo(
            f"noise {seed}", "none", None, *size, rotation=0, frame_rate=None, duration=None,
            motion="none",
        )  # fmt: skip

    def samples(self, fps: float, *, on_frame: object = None) -> Iterator[Sample]:
        """See :class:`~costream.video.SampleSource`."""
        for tick, picture in enumerate(self._pictures):
            yield Sample(tick, tick / fps, picture, _nothing_known(picture))


def environment(setup: Setup, report: Report) -> None:
    """What this is."""
    report.note("torch", torch.__version__)
    if setup.device != "cpu":
        name = torch.cuda.get_device_name()
        report.note("gpu", {"name": name, "capability": torch.cuda.get_device_capability(),
                            "bytes": torch.cuda.get_device_properties(0).total_memory,
                            "cuda": torch.version.cuda})  # fmt: skip
    product = torch.ones(64, 64, device=setup.device) @ torch.ones(64, 64, device=setup.device)
    report.check("a product of matrices", float(product[0, 0]) == 64, float(product[0, 0]))


def golden(setup: Setup, report: Report) -> None:
    """Logits of the stock classes, of every family, by every backend.

    In float32 by the tolerance of the golden tests. In bfloat16 as near to the stock class's in
    float32 as the stock class's own are, with some slack, since both round.
    """
    # Stock classes embed patches by a convolution, which would round to 10 bits on a GPU.
    torch.backends.cudnn.allow_tf32 = False
    for size in FAMILIES[:2] if setup.small else FAMILIES:
        path = write_untrained(setup.folder / "checkpoints" / size, size)
        exact: list[Tensor] = []
        for dtype in (torch.float32, torch.bfloat16):
            model = load_model(str(path), device=setup.device, dtype=dtype)
            for attention in ATTENTION:
                name = f"{size} {str(dtype)[6:]} {attention}"
                try:
                    pairs = list(_ours_and_stock(model, attention, 5 if setup.small else 8))
                except Exception as error:  # of this combination alone
                    report.check(name, False, repr(error))
                    continue
                exact = exact or [stock for _, stock in pairs]
                report.check(name, *_as_near(dtype, pairs, exact))


def backends(setup: Setup, report: Report) -> None:
    """Every backend on one pass of several streams: what it gives, how long it takes."""
    streams, window, fresh = (2, 300, 40) if setup.small else (8, 4000, 256)
    for dtype in (torch.float32,) if setup.small else (torch.float32, torch.bfloat16):
        shape = KVShape(1, 8, 128, 64, 0, dtype, torch.device(setup.device))
        pool = KVPool(shape, streams * window)
        pool._kv.normal_(generator=torch.Generator(setup.device).manual_seed(0))
        queries = torch.randn(32, streams * fresh, 128, dtype=dtype, device=setup.device)
        results = {}
        for name in ATTENTION:
            upload = Upload(torch.device(setup.device))
            tokens = [_last_tokens(n, window, fresh, upload) for n in range(streams)]
            kernel = ATTENTION[name]().plan(pool, tokens, upload)
            upload.move()
            run = torch.inference_mode()(partial(kernel.run, 0, queries, 128**-0.5))
            results[name] = run()
            report.note(f"{name} {dtype} peak bytes", _peak(setup, run))
            report.note(f"{name} {dtype} ms", 1e3 * _seconds(setup, run))
            report.note(f"{name} {dtype} kernels", _kernels(setup, run))
        gap = float((results["sdpa"].float() - results["flex"].float()).abs().max())
        report.check(
            f"sdpa against flex {dtype}", gap < (1e-4 if dtype == torch.float32 else 2e-2), gap
        )


def waits(setup: Setup, report: Report) -> None:
    """A step during which the host must not wait for the device, of every family."""
    for size in FAMILIES[:1] if setup.small else FAMILIES:
        path = write_untrained(setup.folder / "checkpoints" / size, size)
        model = load_model(str(path), device=setup.device, dtype=torch.bfloat16)
        for number, (engine, batch) in enumerate(_steps(model, streams=2)):
            # The first step fills caches: position tables, mean and deviation.
            try:
                with _no_waiting(setup, number > 0):
                    engine.runner.run(batch)
            except RuntimeError as error:
                report.check(f"{size} step {number}", False, str(error))
                break
            report.check(f"{size} step {number}", True, "did not wait")


def stages(setup: Setup, report: Report) -> None:
    """Times of stages add up to the time on the wall."""
    model = _timed_model(setup)
    wall = told = 0.0
    for number, (engine, batch) in enumerate(_steps(model, streams=2 if setup.small else 8)):
        _synchronise(setup)
        begun = perf_counter()
        outputs = engine.runner.run(batch)
        _synchronise(setup)
        if number:
            wall += perf_counter() - begun
            told += sum(out.vision_seconds + out.prefill_seconds for out in outputs)
    report.check("stages over wall", 0.8 < told / wall < 1.02, told / wall)
    report.note("seconds of a step", wall / number)


def memory(setup: Setup, report: Report) -> None:
    """Peak memory of some streams at once, against ``costream plan`` where all groups are kept."""
    planned = _planned(setup)
    for count in (1, 2) if setup.small else (1, 8, 32):
        peak = _peak(setup, partial(_watch_noise, setup, count))
        plan = planned["weight_bytes"] + planned["prompt_bytes"] + planned["scratch_bytes"]["worst"]
        plan += count * planned["stream_bytes"]["worst"]
        report.note(f"{count} streams", {"peak": peak, "plan": plan})
        if setup.device != "cpu":
            report.check(f"{count} streams within the plan", peak <= 1.15 * plan, peak / plan)


def capacity(setup: Setup, report: Report) -> None:
    """``costream bench capacity`` on files of the synthetic camera."""
    counts, *shape = ("1", "16", "160x90") if setup.small else ("1,8,32", "60", "640x360")
    clip = setup.folder / "camera.mp4"
    _command("synth", str(clip), "--seconds", shape[0], "--size", shape[1])
    report.note("clip", clip.stat().st_size)
    words = ["--source", str(clip), "--streams", counts, "--device", setup.device, "--json"]
    rows = json.loads(_command("bench", "capacity", *words))
    report.check("rows", len(rows) == len(counts.split(",")), rows)


PARTS: dict[str, Part] = {
    "environment": environment,
    "golden": golden,
    "backends": backends,
    "waits": waits,
    "stages": stages,
    "memory": memory,
    "capacity": capacity,
}


def _nothing_known(picture: Picture) -> ChangeMap:
    shape = -(-picture.height // BLOCK), -(-picture.width // BLOCK)
    field = np.zeros(shape, np.float32)
    unknown = np.full(shape, np.nan, np.float32)
    return ChangeMap(
        motion="none", peak=field, drift=np.zeros((*shape, 2), np.float32), path=field,
        activity=field, intra=np.zeros(shape, np.bool_), quantiser=unknown, residual=unknown,
        frames=1, keyframes=0, packet_bytes=1, damaged=False,
    )  # fmt: skip


def _size_of(model: ModelAdapter) -> tuple[int, int]:
    """The family's tile, or small frames that all grids divide."""
    size: tuple[int, int] = getattr(model.preprocessing, "tile", (224, 224))
    return size


def _settings(model: ModelAdapter, **values: object) -> EngineSettings:
    plain = {"fps": 2, "window": 4, "stride": 2, "pruner": "none", "frame_size": _size_of(model)}
    return EngineSettings.checked(**{**plain, **values})


def _ours_and_stock(
    model: ModelAdapter, attention: str, frames: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields logits of CoStream and of the stock class for each window: [vocabulary]."""
    engine = Engine(model, _settings(model, refresh="full", attention=attention))
    source = Noise(frames + 4, _size_of(model))
    watch, patch, shown = engine.open(source, [ASK]), model.temporal_patch, []
    for window, _ in engine.windows(source):
        shown = [(tick, pixels) for tick, pixels in shown if tick >= window.start]
        for tubelet in window.arrivals:
            pictures = [sample.picture for sample in tubelet.samples]
            shown.append((tubelet.tick, model.pixels(pictures, watch.stream.geometry)))
        plan, output = watch.run(watch.ingest.prepare(window))
        watch.state.commit(plan)
        moments = [
            Moment(n, (tick - shown[0][0] + (patch - 1) / 2) / 2, patch / 2)
            for n, (tick, _) in enumerate(shown)
        ]
        prompt = watch.questions.prompts[0]
        pixels = [pixels for _, pixels in shown]
        stock = model.stock_logits(pixels, moments, prompt, watch.stream.geometry)
        yield output.logits[0].float().cpu(), stock.float().cpu()


def _as_near(
    dtype: torch.dtype, pairs: Sequence[tuple[Tensor, Tensor]], exact: Sequence[Tensor]
) -> tuple[bool, dict[str, float]]:
    ours = max(_gap(one, stock) for one, stock in pairs)
    if dtype == torch.float32:
        return ours < TOLERANCE, {"from stock": ours}
    mine = max(_gap(one, true) for (one, _), true in zip(pairs, exact, strict=True))
    theirs = max(_gap(stock, true) for (_, stock), true in zip(pairs, exact, strict=True))
    found = {"from stock": ours, "from float32": mine, "stock from float32": theirs}
    return mine < 3 * theirs + TOLERANCE, found


def _gap(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max() / (other.max() - other.min()))


def _last_tokens(number: int, window: int, fresh: int, upload: Upload) -> StreamTokens:
    """The last tokens of a window of which half the keys are carried over."""
    distances = np.where(np.arange(window) % 2, 16, 0)
    keys = Keys(np.arange(number * window, (number + 1) * window), distances, distances[:0])
    frequencies = torch.linspace(1, 1e-3, 64, device=upload.device)
    places = np.arange(window - fresh, window)

    def rotate(moved: Tensor) -> Rotation:
        return Rotation.by(moved, frequencies)

    begin = number * fresh
    return StreamTokens(begin, places, np.full(fresh, SHARED), keys, rotate, upload)


def _steps(model: ModelAdapter, streams: int) -> Iterator[tuple[Engine, Batch]]:
    """Yields the windows of some streams together, each to be run before the next is asked for."""
    engine = Engine(model, _settings(model))
    sources = [Noise(16, _size_of(model), seed) for seed in range(streams)]
    watches: list[Watch] = [engine.open(source, [ASK]) for source in sources]
    for windows in zip(*(engine.windows(source) for source in sources), strict=True):
        plans = [
            watch.plan(watch.ingest.prepare(window))
            for watch, (window, _) in zip(watches, windows, strict=True)
        ]
        yield engine, Batch(plans)
        for watch, plan in zip(watches, plans, strict=True):
            watch.state.commit(plan)


def _timed_model(setup: Setup) -> ModelAdapter:
    name = "costream/untrained-" + ("test" if setup.small else "150m")
    return load_model(name, device=setup.device)


def _watch_noise(setup: Setup, count: int) -> None:
    model = _timed_model(setup)
    engine = Engine(model, _settings(model, epoch=10**6))
    sources = [Noise(12, _size_of(model), seed) for seed in range(count)]
    for _ in engine.watch(sources, [ASK]):
        pass


def _planned(setup: Setup) -> dict:
    model = "costream/untrained-" + ("test" if setup.small else "150m")
    dtype = "float32" if setup.small else "bfloat16"
    text = _command(
        "plan", "--gpu-memory", "80GB", "--source", "224x224@2", "--model", model, "--fps", "2",
        "--window", "4", "--stride", "2", "--frame-size", "224x224", "--questions", "1",
        "--dtype", dtype, "--json",
    )  # fmt: skip
    found: dict = json.loads(text)
    return found


def _command(*words: str) -> str:
    found = CliRunner().invoke(app, list(words))
    if found.exit_code:
        raise RuntimeError(f"costream {words[0]} ended with {found.exit_code}: {found.output}")
    return found.stdout


@contextmanager
def _no_waiting(setup: Setup, wanted: bool) -> Iterator[None]:
    """Has whatever makes the host wait for the device raise."""
    if setup.device == "cpu" or not wanted:
        yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def _synchronise(setup: Setup) -> None:
    if setup.device != "cpu":
        torch.cuda.synchronize()


def _seconds(setup: Setup, run: Callable[[], object], repeat: int = 7) -> float:
    """Returns the median time of a run that was run before."""
    found = []
    for _ in range(2 if setup.small else repeat):
        _synchronise(setup)
        begun = perf_counter()
        run()
        _synchronise(setup)
        found.append(perf_counter() - begun)
    return median(found)


def _peak(setup: Setup, run: Callable[[], object]) -> int:
    """Returns the most memory of the device that was allocated during a run; 0 on a CPU."""
    if setup.device == "cpu":
        run()
        return 0
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    run()
    torch.cuda.synchronize()
    return int(torch.cuda.max_memory_allocated())


def _kernels(setup: Setup, run: Callable[[], object]) -> list[str]:
    """Returns the names of kernels that a run launches: which one attends shows in them."""
    if setup.device == "cpu":
        return []
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        run()
        torch.cuda.synchronize()
    return sorted({event.key[:120] for event in seen.key_averages()})
