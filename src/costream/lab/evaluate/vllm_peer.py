"""vLLM as a peer: it runs in a process of its own, of an interpreter that has it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from costream.checkpoints import UNTRAINED_PREFIX, checkpoint_path, is_untrained
from costream.engine.schedule import Window
from costream.errors import ModelError, SettingsError
from costream.models import FrameGeometry, ModelAdapter, Moment
from costream.models.untrained import cached_untrained
from costream.video import Picture

FAMILIES = ("qwen3_vl", "qwen3_vl_moe")
"""Model types whose windows we lay out for vLLM."""

SCRIPT = Path(__file__).parent / "vllm_process" / "answer_windows.py"
"""What the process runs; it says what it reads and writes."""

_LABEL_TOKENS = 32
"""More than a frame's timestamp takes, with its start and its end."""

_STOP_SECONDS = 20.0


class VllmPeer:
    """vLLM on one stream, with one question, all frames of every window from nothing.

    Frames are resized once each, here; normalising, patches, encoder and language model are vLLM's.

    Args:
        process: vLLM's, set up for this question.
        model: CoStream's model, which lays out the tokens that vLLM's are compared with.
        prompt: the question as the model is asked.
        geometry: how frames are cut.
        fps: sampling rate.
    """

    name = "vllm"

    def __init__(
        self,
        process: VllmProcess,
        model: ModelAdapter,
        prompt: str,
        geometry: FrameGeometry,
        fps: float,
    ) -> None:
        self._process = process
        self._model = model
        self._prompt = prompt
        self._geometry = geometry
        self._fps = fps
        self._frames: list[tuple[int, np.ndarray]] = []

    @property
    def setup(self) -> dict[str, Any]:
        """What the process says of itself: versions and threads."""
        return self._process.ready

    def step(self, window: Window) -> tuple[float, float]:
        """Answers a window; returns the log odds of yes, and the seconds that took.

        Raises:
            ModelError: vLLM stopped, or lays the window out in other tokens.
        """
        begun = perf_counter()
        self._frames = [frame for frame in self._frames if frame[0] >= window.start]
        for tubelet in window.arrivals:
            pictures = [sample.picture for sample in tubelet.samples]
            self._frames += self._resized(tubelet.tick, pictures)
        frames = np.stack([pixels for _, pixels in self._frames])
        resizing = perf_counter() - begun
        first = self._frames[0][0]
        answer = self._process.answer(frames, [tick - first for tick, _ in self._frames])
        if answer["ids"] != self._ids():
            raise ModelError(
                "vLLM lays the window out in other tokens than the stock model: compare with "
                "another release of vLLM"
            )
        return answer["yes"] - answer["no"], resizing + float(answer["seconds"])

    def _resized(self, tick: int, pictures: Sequence[Picture]) -> Iterator[tuple[int, np.ndarray]]:
        """Yields a temporal patch's frames with their ticks; a missing last one is repeated."""
        shown = [_resize(picture, self._geometry) for picture in pictures]
        for offset in range(self._model.temporal_patch):
            yield tick + offset, shown[min(offset, len(shown) - 1)]

    def _ids(self) -> list[int]:
        """Returns the window's tokens as the stock model is given them."""
        model, patch = self._model, self._model.temporal_patch
        whole = torch.ones(self._geometry.grid.groups, dtype=torch.bool)
        first, ids = self._frames[0][0], [model.prompt().ids]
        for index, (tick, _) in enumerate(self._frames[::patch]):
            time = (tick - first + (patch - 1) / 2) / self._fps
            moment = Moment(index, time, patch / self._fps)
            ids.append(model.frame(moment, whole, self._geometry).ids)
        laid_out: list[int] = torch.cat([*ids, model.question(self._prompt).ids]).tolist()
        return laid_out


class VllmProcess:
    """A running vLLM: a line of JSON in, a line of JSON out.

    Args:
        python: an interpreter that has vLLM.
        setup: as :data:`SCRIPT` describes it.
        folder: where frames and vLLM's messages are put.

    Raises:
        SettingsError: the interpreter can't be run.
        ModelError: vLLM can't be had, or not with this model.
    """

    def __init__(self, python: Path, setup: Mapping[str, Any], folder: Path) -> None:
        self._frames = folder / "frames.npy"
        self._log = folder / "vllm.log"
        with self._log.open("w") as log:
            try:
                # A session of its own, so that its own processes can be ended with it.
                self._process = subprocess.Popen(
                    [python, SCRIPT],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    env=_environment(),
                    start_new_session=True,
                )
            except OSError as error:
                raise SettingsError(f"can't run {python}: {error.strerror}") from error
        try:
            self.ready = self._exchange(setup)
        except BaseException:
            self.close()
            raise

    def answer(self, frames: np.ndarray, indices: Sequence[int]) -> dict[str, Any]:
        """Answers a window: see :data:`SCRIPT`.

        Args:
            frames: uint8 [frames, height, width, 3].
            indices: their places on the sampling grid, from 0.

        Raises:
            ModelError: vLLM stopped.
        """
        np.save(self._frames, frames)
        return self._exchange({"frames": str(self._frames), "indices": list(indices)})

    def close(self) -> None:
        """Ends vLLM and all processes that it started."""
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(BrokenPipeError):
                _pipe(pipe).close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _exchange(self, message: Mapping[str, Any]) -> dict[str, Any]:
        stdin, stdout = _pipe(self._process.stdin), _pipe(self._process.stdout)
        with suppress(BrokenPipeError):
            stdin.write(json.dumps(message) + "\n")
            stdin.flush()
        line = stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": self._last_words()}
        if "error" in answer:
            raise ModelError(f"vLLM stopped: {' '.join(str(answer['error']).split())}")
        return answer

    def _last_words(self) -> str:
        lines = [
            line for line in self._log.read_text(errors="replace").splitlines() if line.strip()
        ]
        return lines[-1] if lines else "it said nothing"


@contextmanager
def vllm_process(python: Path, setup: Mapping[str, Any], name: str) -> Iterator[VllmProcess]:
    """Runs vLLM with a model for as long as the context lasts.

    Args:
        python: an interpreter that has vLLM.
        setup: as :data:`SCRIPT` describes it, without ``model``.
        name: the model's, as ``load_model`` takes it.

    Raises:
        SettingsError: the interpreter can't be run.
        ModelError: vLLM can't be had, or not with this model.
    """
    with tempfile.TemporaryDirectory(prefix="costream-vllm-") as folder:
        model = _complete(_weights(name), Path(folder) / "model")
        process = VllmProcess(python, {**setup, "model": model}, Path(folder))
        try:
            yield process
        finally:
            process.close()


def vllm_setup(
    model: ModelAdapter, prompt: str, frames: int, geometry: FrameGeometry, fps: float
) -> dict[str, Any]:
    """Returns what vLLM is told of a model and a question.

    Args:
        model: CoStream's.
        prompt: the question as the model is asked.
        frames: of a window.
        geometry: how they are cut.
        fps: sampling rate.

    Raises:
        SettingsError: vLLM is not compared on this family.
    """
    config = model.model.config
    if config.model_type not in FAMILIES:
        raise SettingsError(
            f"vLLM is compared on Qwen3-VL alone, not on {config.model_type!r}: leave out "
            "--vllm-python"
        )
    head, tail = model.prompt().ids.tolist(), model.question(prompt).ids.tolist()
    patches = -(-frames // model.temporal_patch)
    return {
        "max_tokens": len(head) + patches * (geometry.grid.groups + _LABEL_TOKENS) + len(tail) + 1,
        "head": head,
        "tail": tail,
        "video": [config.vision_start_token_id, config.video_token_id, config.vision_end_token_id],
        "yes": model.yes_ids.tolist(),
        "no": model.no_ids.tolist(),
        "fps": fps,
    }


def _weights(name: str) -> str:
    if is_untrained(name):
        return str(cached_untrained(name.removeprefix(UNTRAINED_PREFIX)))
    return checkpoint_path(name)


def _complete(model: str, folder: Path) -> str:
    """Returns a model that has the settings for images that vLLM wants beside those for videos."""
    source = Path(model)
    if not source.is_dir() or (source / "preprocessor_config.json").exists():
        return model
    folder.mkdir()
    for file in source.iterdir():
        (folder / file.name).symlink_to(file.resolve())
    settings = json.loads((source / "video_preprocessor_config.json").read_text())
    settings.pop("video_processor_type", None)
    settings["image_processor_type"] = "Qwen2VLImageProcessorFast"
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return str(folder)


def _environment() -> dict[str, str]:
    """Returns our environment, with what vLLM's CPU build needs where the user says nothing."""
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    defaults = {"VLLM_CPU_OMP_THREADS_BIND": cores, "VLLM_CPU_KVCACHE_SPACE": "4"}
    path = [str(SCRIPT.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**defaults, **os.environ, "PYTHONPATH": os.pathsep.join(path)}


def _resize(picture: Picture, geometry: FrameGeometry) -> np.ndarray:
    """Returns uint8 [height, width, 3], resized as the published preprocessing does it."""
    frame = torch.from_numpy(picture.rgb()).permute(2, 0, 1)[None]
    resized: Tensor = torch.nn.functional.interpolate(
        frame,
        size=(geometry.height, geometry.width),
        mode="bicubic",
        align_corners=False,
        antialias=True,
    )
    pixels: np.ndarray = resized[0].permute(1, 2, 0).contiguous().numpy()
    return pixels


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
