"""What scripts/gpu.py checks and measures, a function a part."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

import torch
from scripts.gpu_workload import (
    ASK,
    Noise,
    last_tokens,
    ours_and_stock,
    settings_of,
    size_of,
    steps_of,
)
from torch import Tensor
from transformers.utils import logging
from typer.testing import CliRunner

from costream.cli.app import app, load_commands
from costream.engine.attention.backends import ATTENTION
from costream.engine.engine import Engine
from costream.engine.kv_pool import KVPool
from costream.engine.upload import Upload
from costream.models import (
    SIZES,
    KVShape,
    ModelAdapter,
    load_model,
    write_untrained,
)

if TYPE_CHECKING:
    from scripts.gpu import Part, Report, Setup

TOLERANCE = 1e-3
"""Of float32, as a share of the range of logits: that of the golden tests."""

FAMILIES = [name for name in SIZES if "test" in name]

logging.disable_progress_bar()


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
                    pairs = list(ours_and_stock(model, attention, 5 if setup.small else 8))
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
        keys, values = torch.randn(2, 8, streams * window, 128, dtype=dtype, device=setup.device)
        pool.write(0, torch.arange(streams * window, device=setup.device), keys, values)
        queries = torch.randn(32, streams * fresh, 128, dtype=dtype, device=setup.device)
        results = {}
        for name in ATTENTION:
            upload = Upload(torch.device(setup.device))
            tokens = [last_tokens(n, window, fresh, upload) for n in range(streams)]
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
        for attention in ATTENTION:
            _run_without_waiting(setup, report, f"{size} {attention}", model, attention)


def stages(setup: Setup, report: Report) -> None:
    """Times of stages add up to the time on the wall."""
    model = _timed_model(setup)
    wall = told = 0.0
    for number, (engine, batch) in enumerate(steps_of(model, streams=2 if setup.small else 8)):
        _synchronise(setup)
        begun = perf_counter()
        outputs = engine.runner.run(batch)
        _synchronise(setup)
        if number:
            wall += perf_counter() - begun
            told += sum(out.vision_seconds + out.prefill_seconds for out in outputs)
    report.check("stages over wall", 0.8 < told / wall < 1.02, told / wall)
    report.note("seconds of a step", wall / number)


def capture(setup: Setup, report: Report) -> None:
    """Answers written token by token, and by a captured step: the same tokens, and their time."""
    model, limit = _timed_model(setup, torch.float32), 8 if setup.small else 64
    written = []
    for captured in (False, True):
        engine = Engine(model, settings_of(model, capture=captured))
        source = Noise(8, size_of(model))
        watch = engine.open(source, [ASK, "Is someone running?"])
        window, _ = next(iter(engine.windows(source)))
        plan, _ = watch.run(watch.ingest.prepare(window))
        spans, picked = watch.questions.spans, partial(_nth_likeliest, 9)
        write = partial(engine.runner.write, plan, {0: 5, 1: 7}, spans, picked, limit)
        written.append(write()[0])
        name = "captured" if captured else "plain"
        report.note(f"{name}: ms a token", 1e3 * _seconds(setup, write) / limit)
    report.check("the same tokens", written[0] == written[1], written)


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
    # At small sizes the file to its end; else 10 s at full speed, and 10 in real time.
    seconds = "0" if setup.small else "10"
    words = ["--source", str(clip), "--streams", counts, "--seconds", seconds]
    words += ["--device", setup.device, "--json"]
    rows = json.loads(_command("bench", "capacity", *words))
    report.check("rows", len(rows) == len(counts.split(",")), rows)


PARTS: dict[str, Part] = {
    "environment": environment,
    "golden": golden,
    "backends": backends,
    "waits": waits,
    "stages": stages,
    "capture": capture,
    "memory": memory,
    "capacity": capacity,
}


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


def _run_without_waiting(
    setup: Setup, report: Report, name: str, model: ModelAdapter, attention: str
) -> None:
    for number, (engine, batch) in enumerate(steps_of(model, 2, attention=attention)):
        # The first step fills caches and compiles: position tables, mean and deviation, kernels.
        try:
            with _no_waiting(setup, number > 0):
                engine.runner.run(batch)
        except Exception as error:  # of this combination alone
            report.check(f"{name}, step {number}", False, repr(error))
            return
        report.check(f"{name}, step {number}", True, "did not wait")


def _nth_likeliest(nth: int, logits: Tensor) -> list[int]:
    """Picks what hangs on many logits: an untrained model's likeliest token is its last one."""
    found: list[int] = logits.topk(nth).indices[:, -1].tolist()
    return found


def _timed_model(setup: Setup, dtype: torch.dtype | None = None) -> ModelAdapter:
    name = "costream/untrained-" + ("test" if setup.small else "150m")
    return load_model(name, device=setup.device, dtype=dtype)


def _watch_noise(setup: Setup, count: int) -> None:
    model = _timed_model(setup)
    engine = Engine(model, settings_of(model, rebase_after=10**6))
    sources = [Noise(12, size_of(model), seed) for seed in range(count)]
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
    load_commands(words)
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
