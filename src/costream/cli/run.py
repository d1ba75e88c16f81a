"""``costream run``: watch one source."""

from __future__ import annotations

from typing import Annotated

import typer

from costream.cli.app import app
from costream.cli.checks import check_dtype, check_source
from costream.cli.options import (
    AnchorOpt,
    AskOpt,
    DecodeOpt,
    DeviceOpt,
    DtypeOpt,
    HoldOpt,
    JsonOpt,
    KeepOpt,
    ModelFpsOpt,
    ModelOpt,
    PrunerOpt,
    RecentOpt,
    RefreshOpt,
    RefreshShareOpt,
    SizeOpt,
    SourceArg,
    StrideOpt,
    WindowOpt,
    parse_size,
    settings_for,
)
from costream.engine.asks import checked_asks


@app.command()
def run(
    source: SourceArg,
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
    decode: DecodeOpt = "all",
    text: Annotated[bool, typer.Option("--text", help="Write a sentence for each answer.")] = False,
    text_above: Annotated[
        float | None, typer.Option("--text-above", help="Write one from this score on.")
    ] = None,
    device: DeviceOpt = None,
    dtype: DtypeOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """Watch a camera or file and answer questions on a sliding window.

    What is not given is as the model recommends; where it doesn't, 2 frames a second, a window of
    40 s that moves by 8 s, the pruner last-kept and the refresh policy none.

    With [bold]--json[/], one JSON object a line for each window.
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
    }
    asks = checked_asks(ask)
    check_source(source)
    check_dtype(dtype)
    settings = settings_for(model, given)
    from costream.cli.display import show_verdicts
    from costream.cli.loading import load_engine
    from costream.video import Stream, checked_decoding

    with Stream(source, motion=settings.uses_motion, decode=checked_decoding(decode)) as stream:
        engine = load_engine(model, settings, device, dtype)
        show_verdicts(engine, stream, asks, model, as_json=as_json)
