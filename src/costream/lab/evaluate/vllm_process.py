"""vLLM in a process of its own, of an interpreter that has it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from costream.checkpoints import UNTRAINED_PREFIX, checkpoint_path, is_untrained
from costream.errors import ModelError, SettingsError
from costream.models.untrained import cached_untrained

SCRIPT = Path(__file__).parent / "inside_vllm" / "answer_windows.py"
"""What the process runs; it says what it reads and writes."""

_STOP_SECONDS = 20.0


class VllmProcess:
    """A running vLLM: a line of JSON in, a line of JSON out.

    Between its turns its processes are stopped: they poll while they wait for work, which takes a
    core from the sides that are compared with it.

    Args:
        python: an interpreter that has vLLM.
        setup: as :data:`SCRIPT` describes it.
        folder: where frames are put. vLLM's messages go to a file of their own, which stays where
            vLLM fails.

    Raises:
        SettingsError: the interpreter can't be run.
        ModelError: vLLM can't be had, or not with this model.
    """

    def __init__(self, python: Path, setup: Mapping[str, Any], folder: Path) -> None:
        self._frames = folder / "frames.npy"
        self._failed = False
        descriptor, path = tempfile.mkstemp(prefix="costream-vllm-", suffix=".log")
        self._log = Path(path)
        with os.fdopen(descriptor, "w") as log:
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
                self._log.unlink()
                raise SettingsError(f"can't run {python}: {error.strerror}") from error
        try:
            self.ready = self._exchange(setup)
        except BaseException:
            self.close()
            raise
        self._signal(signal.SIGSTOP)

    def answer(self, frames: np.ndarray, indices: Sequence[int]) -> dict[str, Any]:
        """Answers a window: see :data:`SCRIPT`.

        Args:
            frames: uint8 [frames, height, width, 3].
            indices: their places on the sampling grid, from 0.

        Raises:
            ModelError: vLLM stopped.
        """
        np.save(self._frames, frames)
        self._signal(signal.SIGCONT)
        try:
            return self._exchange({"frames": str(self._frames), "indices": list(indices)})
        finally:
            self._signal(signal.SIGSTOP)

    def close(self) -> None:
        """Ends vLLM and all processes that it started."""
        self._signal(signal.SIGCONT)
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(BrokenPipeError):
                _pipe(pipe).close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._signal(signal.SIGKILL)
            self._process.wait()
        if not self._failed:
            self._log.unlink(missing_ok=True)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _exchange(self, message: Mapping[str, Any]) -> dict[str, Any]:
        stdin, stdout = _pipe(self._process.stdin), _pipe(self._process.stdout)
        with suppress(BrokenPipeError):
            stdin.write(json.dumps(message) + "\n")
            stdin.flush()
        line = stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": self._last_words()}
        if "error" in answer:
            self._failed = True
            problem = " ".join(str(answer["error"]).split())
            raise ModelError(f"vLLM stopped: {problem}; its messages are in {self._log}")
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


def _weights(name: str) -> str:
    if is_untrained(name):
        return str(cached_untrained(name.removeprefix(UNTRAINED_PREFIX)))
    return checkpoint_path(name)


def _complete(model: str, folder: Path) -> str:
    """Returns a model that has the settings for images that vLLM wants beside those for videos."""
    source = Path(model)
    videos, images = (source / f"{kind}preprocessor_config.json" for kind in ("video_", ""))
    if images.exists() or not videos.exists():
        return model
    folder.mkdir()
    for file in source.iterdir():
        (folder / file.name).symlink_to(file.resolve())
    settings = json.loads(videos.read_text())
    settings.pop("video_processor_type", None)
    settings["image_processor_type"] = "Qwen2VLImageProcessorFast"
    (folder / images.name).write_text(json.dumps(settings))
    return str(folder)


def _environment() -> dict[str, str]:
    """Returns our environment, with what vLLM's CPU build needs where the user says nothing."""
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    defaults = {"VLLM_CPU_OMP_THREADS_BIND": cores, "VLLM_CPU_KVCACHE_SPACE": "4"}
    path = [str(SCRIPT.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**defaults, **os.environ, "PYTHONPATH": os.pathsep.join(path)}


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
