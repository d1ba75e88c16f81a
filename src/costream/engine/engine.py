"""The engine: a stream and questions in, a verdict for each position of the window out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch

from costream.embedded import warn_of_embedded
from costream.engine.asks import checked_asks
from costream.engine.bell import Bell
from costream.engine.feed import Feed, PulledFeed, ThreadedFeed
from costream.engine.ingest import Ingest, OnFrame, OnGap, Reports, read_windows
from costream.engine.ingest_process import IngestProcess, IngestRecipe
from costream.engine.joining import Joining
from costream.engine.questions import Questions
from costream.engine.refresh import REFRESH, RefreshSettings
from costream.engine.runner import ModelRunner
from costream.engine.schedule import HELD_WINDOWS, Schedule, Window
from costream.engine.scheduler import Scheduler
from costream.engine.verdict import Verdict
from costream.engine.watch import Watch
from costream.models import EMBEDDED_MODEL, ModelAdapter, load_model, recommended_settings
from costream.pruning import PRUNERS, PrunerSettings
from costream.settings import EngineSettings
from costream.video import DeferredSource, SampleSource
from costream.video.provenance import is_synthetic


class Engine:
    """Watches streams with one model, as many at a time as there are. One thread uses it.

    Args:
        model: the loaded model.
        settings: how streams are watched.
        kv_memory: bytes of the KV pool that all streams share; as many as it needs where None.
        host_memory: bytes of host memory for streams that make room for others in the pool; those
            beyond it are dropped and recomputed.
        name: the model's name. With that of an embedded one, a warning says what of a stream it
            can't know; without a name nothing is said.

    Raises:
        SettingsError: a name is unknown, or window and stride don't fit the model.
    """

    def __init__(
        self,
        model: ModelAdapter,
        settings: EngineSettings | None = None,
        *,
        kv_memory: int | None = None,
        host_memory: int = 4 << 30,
        name: str | None = None,
    ) -> None:
        self.model = model
        self.settings = settings or EngineSettings()
        self.schedule = Schedule.from_seconds(
            self.settings.fps,
            self.settings.window,
            self.settings.stride,
            model.temporal_patch,
            recent=self.settings.recent,
        )
        self.runner = ModelRunner(model, self.settings.chunk, kv_memory)
        self._host_bytes = host_memory
        self._name = name
        self._pruner = PRUNERS[self.settings.pruner]
        self._refresh = REFRESH[self.settings.refresh](
            RefreshSettings(self.settings.refresh_share, self.settings.seed)
        )

    @classmethod
    def from_pretrained(
        cls,
        name: str = EMBEDDED_MODEL,
        *,
        device: str | None = None,
        dtype: torch.dtype | None = None,
        **settings: Any,
    ) -> Engine:
        """Loads a model by hub name or directory, or the embedded ``costream/tiny``.

        Args:
            name: what to load.
            device: a torch device; the first GPU where there is one, else the CPU.
            dtype: of weights and cache; by default bfloat16 on a GPU and float32 on a CPU.
            **settings: fields of :class:`EngineSettings`. What is not given is as the checkpoint
                recommends in its ``costream.json``, or as :class:`EngineSettings` has it.

        Raises:
            SettingsError: a setting is wrong.
            ModelError: the model can't be had.
        """
        checked = EngineSettings.preferring(settings, recommended_settings(name))
        return cls(load_model(name, device=device, dtype=dtype), checked, name=name)

    def watch(
        self,
        stream: SampleSource | IngestProcess | Sequence[SampleSource | IngestProcess],
        ask: Sequence[str],
        *,
        on_frame: OnFrame | None = None,
        on_gap: OnGap | None = None,
    ) -> Iterator[Verdict]:
        """Returns a verdict for each position of the window, until all streams have ended.

        The windows of several streams are run together. A stream that fails ends alone: its error
        is raised when the others have ended as well.

        Args:
            stream: what to watch, a :class:`~costream.video.Stream` or a
                :class:`~costream.video.LiveStream`, or several of them. The caller closes
                it. Opened with ``motion=engine.settings.uses_motion``, it extracts motion vectors
                only for a pruner that looks at them.
            ask: questions whose answer is yes or no.
            on_frame: called with the record of every native frame: see
                :data:`~costream.engine.ingest.OnFrame`.
            on_gap: called with every gap of a live source, in order with the stream's results.

        Raises:
            SettingsError: at once: there is no question, one is empty or no valid Unicode.
            SourceError: at once or while iterating: the stream can't be read.
        """
        bell, asks = Bell(), checked_asks(ask)
        report = Reports(on_frame, on_gap)
        if isinstance(stream, Sequence):
            return self._run([], Joining(stream, bell), asks, bell, report)
        if isinstance(stream, IngestProcess):
            return self._run([], Joining([stream], bell), asks, bell, report)
        # Opened here: what is wrong with it is told at once.
        return self._run([self._join(stream, asks)], Joining([], bell), asks, bell, report)

    def _run(
        self,
        watches: Sequence[Watch],
        joining: Joining,
        asks: Sequence[str],
        bell: Bell,
        report: Reports,
    ) -> Iterator[Verdict]:
        """The main loop: plan what is due, run it, commit what came of it."""
        scheduler = Scheduler(self.settings.batch, self._host_bytes)
        for watch in watches:
            scheduler.add(PulledFeed(watch, watch.ingest.windows(report)))
        try:
            while joining.waiting or scheduler.feeds:
                rings = bell.rings
                for stream, error in joining.opened():
                    self._admit(scheduler, stream, asks, error, bell, report)
                batch = scheduler.take()
                if batch is not None:
                    outputs = self.runner.run(batch)
                    yield from scheduler.commit(outputs)
                elif joining.waiting or scheduler.feeds:
                    bell.wait(rings)
        finally:
            scheduler.close()
        if scheduler.errors:
            raise scheduler.errors[0]

    def _admit(
        self,
        scheduler: Scheduler,
        stream: SampleSource | IngestProcess,
        asks: Sequence[str],
        error: Exception | None,
        bell: Bell,
        report: Reports,
    ) -> None:
        """Begins to watch one of several streams; one that can't be watched keeps no other."""
        try:
            if error is not None:
                raise error
            watch = self._join(stream, asks)
            if isinstance(stream, IngestProcess):
                read = partial(stream.windows, self._recipe())
                feed: Feed = ThreadedFeed(watch, read, report, bell)
            elif stream.info.awaited:
                feed = ThreadedFeed(watch, watch.ingest.windows, report, bell)
            else:
                feed = PulledFeed(watch, watch.ingest.windows(report))
            scheduler.add(feed)
        except Exception as reason:  # this stream's alone
            scheduler.fail(reason)

    def _join(self, stream: SampleSource | IngestProcess, asks: Sequence[str]) -> Watch:
        watch = self.open(stream, asks)
        if self._name is not None:
            self._warn(self._name, stream.info.source, asks)
        return watch

    def open(self, stream: SampleSource | IngestProcess, ask: Sequence[str]) -> Watch:
        """Prepares what :meth:`watch` does, for callers that drive the windows themselves."""
        questions = Questions(self.model, ask, self.settings)
        info, preprocessing = stream.info, self.model.preprocessing
        geometry = preprocessing.geometry(
            info.width, info.height, self.schedule.window, self.settings.frame_size
        )
        pruner = self._pruner(geometry.grid, self._pruner_settings())
        ingest = None
        if not isinstance(stream, IngestProcess):
            ingest = Ingest(stream, pruner, preprocessing, geometry, self.schedule)
        return Watch(
            info,
            ingest,
            geometry,
            self.schedule,
            pruner,
            questions,
            self._refresh,
            self.runner,
            self.settings,
        )

    def ingest(self, source: DeferredSource) -> IngestProcess:
        """Starts a process that reads a source for this engine: one of the streams to watch.

        Args:
            source: the source, not opened yet. The caller closes what is returned.
        """
        return IngestProcess.of(source)

    def _recipe(self) -> IngestRecipe:
        return IngestRecipe(
            self.model.preprocessing,
            self.schedule,
            self.settings.frame_size,
            self.settings.pruner,
            self._pruner_settings(),
        )

    def windows(
        self,
        stream: SampleSource,
        on_frame: OnFrame | None = None,
        on_gap: OnGap | None = None,
    ) -> Iterator[tuple[Window, float]]:
        """Yields the stream's windows, each with the processor time spent on reading it."""
        return read_windows(stream, self.schedule, Reports(on_frame, on_gap))

    def _warn(self, name: str, source: str, ask: Sequence[str]) -> None:
        # An open file shows what its owner puts into it, such as the synthetic camera.
        synthetic = source.startswith("<") or is_synthetic(source)
        warn_of_embedded(name, source, self.settings.uncalibrated(ask), synthetic=synthetic)

    def _pruner_settings(self) -> PrunerSettings:
        seconds = self.settings.anchor_every
        # Where groups are carried over, a window shows every place, however old the last anchor is.
        window, hold = self.schedule.recent, self.settings.hold
        usual = HELD_WINDOWS * window if hold else window
        every = usual if seconds is None else round(seconds * self.settings.fps)
        return PrunerSettings(
            anchor_every=max(1, every if hold else min(every, window)),
            keep=self.settings.keep,
            seed=self.settings.seed,
        )
