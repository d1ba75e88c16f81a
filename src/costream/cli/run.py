"""``costream run``: watch one source or several."""

from __future__ import annotations

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
    DecodeOpt,
    DeviceOpt,
    DtypeOpt,
    HoldOpt,
    JsonOpt,
    KeepOpt,
    KVDtypeOpt,
    KVMemoryOpt,
    MaskOpt,
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
from costream.cli.quantities import parse_memory
from costream.cli.thresholds import parse_thresholds
from costream.embedded import warn_of_embedded
from costream.engine.asks import checked_asks
from costream.engine.view import StreamView
from costream.video.naming import masked

if TYPE_CHECKING:
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
    from costream.cli.display import show_results, show_several
    from costream.cli.layout import engines_for, pipes, reads_apart, watched_alone
    from costream.cli.loading import load_engine
    from costream.video import DeferredSource, checked_decoding
    from costream.video.provenance import is_synthetic

    decoding, backlog = checked_decoding(decode), STRIDES_WAITING * settings.stride
    connects = [
        Connect(source, settings.uses_motion, decoding, reach)
        for source, reach in zip(sources, reached, strict=True)
    ]
    waiting = [DeferredSource(c, patience=reconnect, backlog=backlog) for c in connects]
    load = partial(load_engine, model, settings, device, dtype, kv_memory=memory)
    unknown = settings.uncalibrated(asks)
    if len(waiting) > 1:
        strange = [source for source in sources if not is_synthetic(source)]
        name = masked([*strange, *sources][0])
        warn_of_embedded(model, name, unknown, synthetic=not strange)
        count, here = engines_for(sources, device, workers), pipes(sources)
        load = partial(load, engines=count)
        show_several(
            load, waiting, asks, model, settings, count, view=view, here=here, as_json=as_json
        )
        return

    def warn(info: StreamInfo) -> None:
        warn_of_embedded(model, info.source, unknown, synthetic=is_synthetic(sources[0]))

    with watched_alone(waiting[0], load, warn, apart=reads_apart(sources[0])) as (engine, stream):
        show_results(engine, stream, asks, model, view=view, as_json=as_json)
