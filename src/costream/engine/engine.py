"""The engine: a stream and questions in, a result for each position of the window out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from threading import get_ident
from typing import Any

import torch

from costream.embedded import warn_of_embedded
from costream.engine.asks import Ask, zoned_asks
from costream.engine.auditor import AuditFeed
from costream.engine.bell import Bell
from costream.engine.claim import Claim
from costream.engine.confirmation import ConfirmingFeed
from costream.engine.feed import Feed, PulledFeed, Read, ThreadedFeed
from costream.engine.handle import WatchHandle
from costream.engine.ingest import (
    Ingest,
    OnAudit,
    OnFrame,
    OnGap,
    ReadingCost,
    Reports,
    read_windows,
)
from costream.engine.ingest_process import IngestProcess, IngestRecipe
from costream.engine.overload import OverloadGuard
from costream.engine.pool_memory import pool_memory
from costream.engine.questions import Questions
from costream.engine.recomputing import recalling
from costream.engine.refresh import DEFAULT_REFRESH, REFRESH, RefreshPolicy, RefreshSettings
from costream.engine.replies import Replies
from costream.engine.result import Result
from costream.engine.roster import Roster
from costream.engine.runner import ModelRunner
from costream.engine.schedule import HELD_WINDOWS, Schedule, Window
from costream.engine.scheduler import Scheduler
from costream.engine.session import WAITING, Session
from costream.engine.steering import Steering, controller_of
from costream.engine.view import StreamView
from costream.engine.watch import Watch
from costream.engine.whole_video import VideoFeed, VideoHandle, whole_schedule
from costream.errors import SettingsError
from costream.models import EMBEDDED_MODEL, ModelAdapter, load_model, recommended_settings
from costream.pruning import PRUNERS, PrunerSettings
from costream.settings import EngineSettings
from costream.video import DeferredSource, SampleSource
from costream.video.provenance import is_synthetic

VIDEO_SHARE = 2
"""The part of a bounded pool that a video may take: one in so many rows."""


class Engine:
    """Watches streams with one model, as many at a time as there are.

    One thread uses it, or one :class:`~costream.engine.session.Session`, in which streams join,
    leave and are asked other questions from any thread.

    Args:
        model: the loaded model.
        settings: how streams are watched.
        kv_memory: bytes of the KV pool that all streams share. Where None, it is bounded on a GPU
            by what is free there (:func:`~costream.engine.pool_memory.pool_memory`), and on a CPU
            it takes as many as it needs.
        host_memory: bytes of host memory for streams that make room for others in the pool; those
            beyond it are dropped and recomputed.
        name: the model's name. With that of an embedded one, a warning says what of a stream it
            can't know; without a name nothing is said.

    Raises:
        SettingsError: a name is unknown, or window and stride don't fit the model, or the device
            has no memory left for a pool.
        PoolExhaustedError: the device has less memory than the pool is to take.
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
        self.runner = ModelRunner(
            model,
            self.settings.chunk,
            pool_memory(model, self.settings) if kv_memory is None else kv_memory,
            packed=self.settings.packed,
            attention=self.settings.attention,
            capture=self.settings.capture,
        )
        self._host_bytes = host_memory
        self._claim = Claim()
        self._scheduler: Scheduler | None = None
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
        kv_memory: int | None = None,
        **settings: Any,
    ) -> Engine:
        """Loads a model by hub name or directory, or the embedded ``costream/tiny``.

        Args:
            name: what to load.
            device: a torch device; the first GPU where there is one, else the CPU.
            dtype: of weights and cache; by default bfloat16 on a GPU and float32 on a CPU.
            kv_memory: bytes of the KV pool: see :class:`Engine`.
            **settings: fields of :class:`EngineSettings`. What is not given is as the checkpoint
                recommends in its ``costream.json``, or as :class:`EngineSettings` has it.

        Raises:
            SettingsError: a setting is wrong.
            ModelError: the model can't be had.
        """
        checked = EngineSettings.preferring(settings, recommended_settings(name))
        model = load_model(name, device=device, dtype=dtype)
        return cls(model, checked, kv_memory=kv_memory, name=name)

    @property
    def swaps(self) -> int:
        """How often a stream made room for others in the pool, since it was last used anew."""
        return 0 if self._scheduler is None else self._scheduler.swaps

    def watch(
        self,
        stream: SampleSource | IngestProcess | Sequence[SampleSource | IngestProcess],
        ask: Sequence[str | Ask],
        *,
        view: StreamView | None = None,
        on_frame: OnFrame | None = None,
        on_gap: OnGap | None = None,
        on_audit: OnAudit | None = None,
    ) -> Generator[Result, None, None]:
        """Returns a result for each position of the window, until all streams have ended.

        The windows of several streams are run together. A stream that fails ends alone: its error
        is raised when the others have ended as well.

        Args:
            stream: what to watch, a :class:`~costream.video.Stream` or a
                :class:`~costream.video.LiveStream`, or several of them. The caller closes
                it. Opened with ``motion=engine.settings.uses_motion``, it extracts motion vectors
                only for a pruner that looks at them.
            ask: questions whose answer is yes or no, about the picture or a zone of the view.
            view: masks and zones, the same of all streams.
            on_frame: called with the record of every native frame: see
                :data:`~costream.engine.ingest.OnFrame`.
            on_gap: called with every gap of a live source, in order with the stream's results.
            on_audit: called with what a stream's audits came to, where ``settings.audit`` asks for
                some: see :data:`~costream.engine.ingest.OnAudit`.

        Raises:
            SettingsError: at once: there is no question, one is empty or no valid Unicode, or asks
                about an unknown zone; a stream is to be audited or its answers confirmed that keeps
                no packets.
            SourceError: at once or while iterating: the stream can't be read.
        """
        roster = self._roster()
        handle = roster.handle(
            ask, view or StreamView(), Reports(on_frame, on_gap, on_audit=on_audit)
        )
        if isinstance(stream, Sequence | IngestProcess):
            for one in _several(stream):
                roster.add(one, roster.handle(handle.asks, handle.view, handle.reports))
        else:
            # Opened here: what is wrong with it is told at once, and it is read by this thread.
            feed = self._watched(self._pulled(stream, handle), stream, handle, roster.bell)
            roster.watch(feed, handle)
        roster.finish()
        return self._results(roster)

    def watch_async(
        self,
        stream: SampleSource | IngestProcess | Sequence[SampleSource | IngestProcess],
        ask: Sequence[str | Ask],
        *,
        view: StreamView | None = None,
        on_frame: OnFrame | None = None,
        on_gap: OnGap | None = None,
        on_audit: OnAudit | None = None,
        waiting: int = WAITING,
    ) -> AsyncGenerator[Result, None]:
        """Returns what :meth:`watch` does, for ``async for``: the engine has a thread of its own.

        At most ``waiting`` results of a stream wait to be taken: see
        :class:`~costream.engine.handle.WatchHandle`. Once the iterator is closed, whether the
        streams have ended, the loop was left or the task was cancelled, that thread has ended and
        the rows of the pool are free. The caller closes the streams then.

        Raises:
            SettingsError: at once: there is no question, one is empty or no valid Unicode, or asks
                about an unknown zone.
            SourceError: while iterating: a stream can't be read.
        """
        view = view or StreamView()
        asks = zoned_asks(ask, view.zones)
        reports = Reports(on_frame, on_gap, on_audit=on_audit)
        return self._results_async(_several(stream), asks, view, reports, waiting)

    def session(self, *, waiting: int = WAITING) -> Session:
        """Runs this engine in a thread of its own, for streams that come and go.

        Args:
            waiting: most results of a stream that wait to be taken.

        Raises:
            SettingsError: the engine is in use, or ``waiting`` is not positive.
        """
        if waiting < 1:
            raise SettingsError(f"at least 1 result must be able to wait, not {waiting}")
        owner = object()
        self._claim.take(owner)
        return Session(self._run, self._roster(lasting=True), waiting, self._claim.give_back)

    def _run(self, roster: Roster) -> Generator[tuple[WatchHandle, Result], None, None]:
        """The main loop: plan what is due, run it, commit what came of it, write replies a bit."""
        self._scheduler = scheduler = Scheduler(
            self.settings.batch, self._host_bytes, roster.has_room
        )
        guard = OverloadGuard()
        try:
            while roster.update(scheduler):  # streams join, leave and are asked other questions
                batch = scheduler.take()
                outputs = [] if batch is None else self.runner.run(batch)
                yield from roster.deliver(guard.noting(scheduler.commit(outputs)))
                if not roster.write(scheduler) and batch is None:
                    guard.rest(partial(roster.wait, scheduler))
                guard.look(scheduler.feeds)
        finally:
            scheduler.close()

    def _results(self, roster: Roster) -> Generator[Result, None, None]:
        with self._claim.held(get_ident()), closing(self._run(roster)) as results:
            for _, result in results:
                yield result
        if roster.error is not None:
            raise roster.error

    async def _results_async(
        self,
        streams: Sequence[SampleSource | IngestProcess],
        asks: Sequence[Ask],
        view: StreamView,
        reports: Reports,
        waiting: int,
    ) -> AsyncGenerator[Result, None]:
        async with self.session(waiting=waiting) as session:
            for stream in streams:
                session.add(
                    stream,
                    asks,
                    view=view,
                    on_frame=reports.on_frame,
                    on_gap=reports.on_gap,
                    on_audit=reports.on_audit,
                )
            session.finish()
            async for _, result in session:
                yield result
        if session.error is not None:
            raise session.error

    def _roster(self, *, lasting: bool = False) -> Roster:
        return Roster(self._admit, self._ask, Replies(self.runner), lasting=lasting)

    def _admit(self, stream: SampleSource | IngestProcess, handle: WatchHandle, bell: Bell) -> Feed:
        """Begins to read one of several streams, in a thread of its own where it is not a file."""
        if isinstance(handle, VideoHandle):
            return self._video(stream, handle, bell)
        return self._watched(self._feed(stream, handle, bell), stream, handle, bell)

    def _feed(self, stream: SampleSource | IngestProcess, handle: WatchHandle, bell: Bell) -> Feed:
        if isinstance(stream, IngestProcess):
            watch = self._join(stream, handle)
            read = partial(stream.windows, self._recipe(handle.view))
            return ThreadedFeed(watch, read, handle.reports, bell)
        if not stream.info.awaited:
            return self._pulled(stream, handle)
        watch = self._join(stream, handle)
        return ThreadedFeed(watch, watch.ingest.windows, handle.reports, bell)

    def _watched(
        self, feed: Feed, stream: SampleSource | IngestProcess, handle: WatchHandle, bell: Bell
    ) -> Feed:
        """Has a stream's windows confirmed and checked, and it steered, as the settings say."""
        share, seed = self.settings.audit, self.settings.seed
        if self.settings.recalls:
            recall = recalling(stream, replace(self._recipe(handle.view), pruner="none"))
            if share:
                feed.audit = AuditFeed(feed, share, seed, recall, bell, handle.reports.on_audit)
            if self.settings.confirm:
                feed.confirmation = ConfirmingFeed(feed, recall, bell)
        if self._pruner.steerable:
            reader = stream if isinstance(stream, IngestProcess) else feed.watch.ingest
            controller = controller_of(self.settings, self.schedule)
            feed.steering = Steering(feed, reader.steer, controller, hold=self.settings.hold)
        return feed

    def _video(self, stream: SampleSource | IngestProcess, handle: VideoHandle, bell: Bell) -> Feed:
        """Begins to read a video whose window grows. Nothing of it leaves: nothing is refreshed."""
        limit = self.runner.pool.limit
        rows = None if limit is None else limit // VIDEO_SHARE
        schedule = whole_schedule(
            self.model, self.schedule, stream.info, self.settings.frame_size, rows
        )
        refresh = REFRESH[DEFAULT_REFRESH](RefreshSettings(0.0, self.settings.seed))
        watch = self._watch(stream, handle.asks, handle.view, schedule, refresh)
        if isinstance(stream, IngestProcess):
            read: Read = partial(stream.windows, self._recipe(handle.view, schedule))
        else:
            read = watch.ingest.windows
        return VideoFeed(watch, read, handle.reports, bell)

    def _pulled(self, stream: SampleSource, handle: WatchHandle) -> Feed:
        watch = self._join(stream, handle)
        return PulledFeed(watch, watch.ingest.windows(handle.reports))

    def _join(self, stream: SampleSource | IngestProcess, handle: WatchHandle) -> Watch:
        watch = self.open(stream, handle.asks, handle.view)
        self._warn(stream.info.source, handle.asks)
        return watch

    def _ask(self, watch: Watch, asks: Sequence[Ask]) -> None:
        watch.ask(Questions(self.model, asks, self.settings))
        self._warn(watch.info.source, asks)

    def open(
        self,
        stream: SampleSource | IngestProcess,
        ask: Sequence[str | Ask],
        view: StreamView | None = None,
    ) -> Watch:
        """Prepares what :meth:`watch` does, for callers that drive the windows themselves."""
        view = view or StreamView()
        return self._watch(stream, zoned_asks(ask, view.zones), view, self.schedule, self._refresh)

    def _watch(
        self,
        stream: SampleSource | IngestProcess,
        asks: Sequence[Ask],
        view: StreamView,
        schedule: Schedule,
        refresh: RefreshPolicy,
    ) -> Watch:
        questions = Questions(self.model, asks, self.settings)
        info, preprocessing = stream.info, self.model.preprocessing
        geometry = preprocessing.geometry(
            info.width, info.height, schedule.window, self.settings.frame_size
        )
        seen = view.on(preprocessing, geometry)
        pruner = self._pruner(geometry.grid, seen.told(self._pruner_settings(), geometry))
        ingest = None
        if not isinstance(stream, IngestProcess):
            ingest = Ingest(stream, pruner, preprocessing, geometry, schedule, seen)
        return Watch(
            info,
            ingest,
            geometry,
            seen,
            schedule,
            pruner,
            questions,
            refresh,
            self.runner,
            self.settings,
        )

    def ingest(self, source: DeferredSource) -> IngestProcess:
        """Starts a process that reads a source for this engine: one of the streams to watch.

        Args:
            source: the source, not opened yet. The caller closes what is returned.
        """
        return IngestProcess.of(source)

    def _recipe(
        self, view: StreamView | None = None, schedule: Schedule | None = None
    ) -> IngestRecipe:
        return IngestRecipe(
            self.model.preprocessing,
            schedule or self.schedule,
            self.settings.frame_size,
            self.settings.pruner,
            self._pruner_settings(),
            view or StreamView(),
        )

    def windows(
        self,
        stream: SampleSource,
        on_frame: OnFrame | None = None,
        on_gap: OnGap | None = None,
    ) -> Iterator[tuple[Window, ReadingCost]]:
        """Yields the stream's windows, each with what it cost to read it."""
        return read_windows(stream, self.schedule, Reports(on_frame, on_gap))

    def _warn(self, source: str, asks: Sequence[Ask]) -> None:
        if self._name is None:
            return
        # An open file shows what its owner puts into it, such as the synthetic camera.
        synthetic = source.startswith("<") or is_synthetic(source)
        unknown = self.settings.uncalibrated([ask.text for ask in asks])
        warn_of_embedded(self._name, source, unknown, synthetic=synthetic)

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


def _several(
    stream: SampleSource | IngestProcess | Sequence[SampleSource | IngestProcess],
) -> Sequence[SampleSource | IngestProcess]:
    return stream if isinstance(stream, Sequence) else [stream]
