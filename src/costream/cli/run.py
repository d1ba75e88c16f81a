"""``costream run``: watch one source or several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from costream.cli.access import CredentialsOpt, RtspTransportOpt, TimeoutOpt, access
from costream.cli.app import app
from costream.cli.checks import check_dtype, check_kv_dtype, check_sources
from costream.cli.corners import parse_corners
from costream.cli.options import (
    AnchorOpt,
    AskOpt,
    AttentionOpt,
    AuditOpt,
    BudgetOpt,
    ConfirmOpt,
    DecodeOpt,
    DeviceOpt,
    DtypeOpt,
    HoldOpt,
    JsonOpt,
    KeepOpt,
    KVDtypeOpt,
    KVMemoryOpt,
    MaskOpt,
    MaxDisagreementOpt,
    ModelFpsOpt,
    ModelOpt,
    PrunerOpt,
    RecentOpt,
    ReconnectOpt,
    RefreshOpt,
    RefreshShareOpt,
    SizeOpt,
    SourcesArg,
    StrideOpt,
    TextTokensOpt,
    ThresholdOpt,
    WindowOpt,
    WorkersOpt,
    parse_size,
    settings_for,
)
from costream.cli.quantities import parse_memory, parse_steering
from costream.cli.thresholds import parse_thresholds
from costream.embedded import warn_of_embedded
from costream.engine.asks import checked_asks
from costream.engine.audit_ring import audit_ring
from costream.engine.view import StreamView
from costream.video import DeferredSource, checked_decoding
from costream.video.naming import masked
from costream.video.provenance import is_synthetic

if TYPE_CHECKING:
    from costream.engine.engine import Engine
    from costream.settings import EngineSettings
    from costream.video import StreamInfo

STRIDES_WAITING = 2
"""Strides of frames that wait for a run that is behind: those of the window that is due and as many
again, so that every window has a whole stride of new ones."""


@app.command()
def run(
    sources: SourcesArg,
    ask: AskOpt,
    model: ModelOpt = "costream/tiny",
    fps: ModelFpsOpt = None,
    window: WindowOpt = None,
    stride: StrideOpt = None,
    recent: RecentOpt = None,
    pruner: PrunerOpt = None,
    refresh: RefreshOpt = None,
    hold: HoldOpt = True,
    keep: KeepOpt = None,
    refresh_share: RefreshShareOpt = None,
    anchor_every: AnchorOpt = None,
    frame_size: SizeOpt = None,
    audit: AuditOpt = None,
    confirm: ConfirmOpt = None,
    max_disagreement: MaxDisagreementOpt = None,
    budget: BudgetOpt = None,
    mask: MaskOpt = None,
    decode: DecodeOpt = "auto",
    reconnect: ReconnectOpt = 300.0,
    threshold: ThresholdOpt = None,
    rtsp_transport: RtspTransportOpt = None,
    timeout: TimeoutOpt = 10.0,
    credentials: CredentialsOpt = None,
    text: Annotated[bool, typer.Option("--text", help="Write a sentence for each answer.")] = False,
    text_above: Annotated[
        float | None, typer.Option("--text-above", help="Write one from this score on.")
    ] = None,
    max_text_tokens: TextTokensOpt = None,
    device: DeviceOpt = None,
    dtype: DtypeOpt = None,
    attention: AttentionOpt = None,
    kv_dtype: KVDtypeOpt = None,
    kv_memory: KVMemoryOpt = None,
    workers: WorkersOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """Watch cameras or files and answer questions on a sliding window.

    What is not given is as the model recommends; where it doesn't, 2 frames a second, a window of
    40 s that moves by 8 s, the pruner last-kept and the refresh policy none.

    With [bold]--json[/], one JSON object a line for each window, and for each gap of a live source.

    A live source (rtsp, rtmp, udp and the like, http without an end) is reconnected when it is
    lost. Exit status 3 says that it stayed away. Of several sources, one that fails ends alone.
    """
    given = {
        "fps": fps,
        "window": window,
        "stride": stride,
        "recent": recent,
        "pruner": pruner,
        "refresh": refresh,
        "hold": hold,
        "keep": keep,
        "refresh_share": refresh_share,
        "anchor_every": anchor_every,
        "frame_size": parse_size(frame_size),
        **parse_steering(audit, max_disagreement, budget),
        "confirm": confirm,
        "text": text,
        "text_above": text_above,
        "max_text_tokens": max_text_tokens,
        "attention": attention,
        "kv_dtype": kv_dtype,
        **parse_thresholds(threshold or (), ask),
    }
    asks, view = checked_asks(ask), StreamView(tuple(map(parse_corners, mask or ())))
    check_sources(sources)
    check_dtype(dtype)
    check_kv_dtype(kv_dtype)
    memory = None if kv_memory is None else parse_memory(kv_memory)
    reached = [access(source, rtsp_transport, timeout, credentials) for source in sources]
    settings = settings_for(model, given)
    from costream.cli.connect import Connect
    from costream.cli.loading import load_engine

    decoding, backlog = checked_decoding(decode), STRIDES_WAITING * settings.stride
    connects = [
        Connect(source, settings.uses_motion, decoding, reach)
        for source, reach in zip(sources, reached, strict=True)
    ]
    ring = audit_ring(settings) if settings.recalls else None
    waiting = [DeferredSource(c, patience=reconnect, backlog=backlog, keep=ring) for c in connects]
    watch = _Watch(sources, waiting, asks, model, settings, view, as_json)
    load = partial(load_engine, model, settings, device, dtype, kv_memory=memory)
    if len(waiting) > 1:
        watch.together(load, device, workers)
    else:
        watch.alone(load)


@dataclass(frozen=True)
class _Watch:
    """What is watched and asked, and how it is shown."""

    sources: Sequence[str]
    waiting: Sequence[DeferredSource]
    asks: Sequence[str]
    model: str
    settings: EngineSettings
    view: StreamView
    as_json: bool

    def alone(self, load: Callable[..., Engine]) -> None:
        """Watches the only source."""
        from costream.cli.display import show_results
        from costream.cli.layout import reads_apart, watched_alone

        (source,), (waiting,) = self.sources, self.waiting

        def warn(info: StreamInfo) -> None:
            self._warn(info.source, synthetic=is_synthetic(source))

        with watched_alone(waiting, load, warn, apart=reads_apart(source)) as (engine, stream):
            show_results(
                engine, stream, self.asks, self.model, view=self.view, as_json=self.as_json
            )

    def together(
        self, load: Callable[..., Engine], device: str | None, workers: int | None
    ) -> None:
        """Watches several sources, by as many engines as there are to be."""
        from costream.cli.display import show_several
        from costream.cli.layout import engines_for, pipes

        strange = [source for source in self.sources if not is_synthetic(source)]
        self._warn(masked([*strange, *self.sources][0]), synthetic=not strange)
        count = engines_for(self.sources, device, workers)
        show_several(
            partial(load, engines=count),
            self.waiting,
            self.asks,
            self.model,
            self.settings,
            count,
            view=self.view,
            here=pipes(self.sources),
            as_json=self.as_json,
        )

    def _warn(self, source: str, *, synthetic: bool) -> None:
        unknown = self.settings.uncalibrated(self.asks)
        warn_of_embedded(self.model, source, unknown, synthetic=synthetic)
