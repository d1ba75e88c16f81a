"""``costream run``: watch one source."""

from __future__ import annotations

from typing import Annotated

import typer

from costream.cli.app import app
from costream.cli.options import (
    AnchorOpt,
    AskOpt,
    DeviceOpt,
    FpsOpt,
    JsonOpt,
    KeepOpt,
    ModelOpt,
    PrunerOpt,
    RefreshOpt,
    SizeOpt,
    SourceArg,
    StrideOpt,
    WindowOpt,
    parse_size,
)
from costream.engine.refresh import DEFAULT_REFRESH
from costream.pruning import DEFAULT_PRUNER
from costream.settings import EngineSettings


@app.command()
def run(
    source: SourceArg,
    ask: AskOpt,
    model: ModelOpt = "costream/tiny",
    fps: FpsOpt = 2.0,
    window: WindowOpt = 40.0,
    stride: StrideOpt = 8.0,
    pruner: PrunerOpt = DEFAULT_PRUNER,
    refresh: RefreshOpt = DEFAULT_REFRESH,
    keep: KeepOpt = 0.2,
    anchor_every: AnchorOpt = None,
    frame_size: SizeOpt = None,
    text: Annotated[bool, typer.Option("--text", help="Write a sentence for each answer.")] = False,
    text_above: Annotated[
        float | None, typer.Option("--text-above", help="Write one from this score on.")
    ] = None,
    device: DeviceOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """Watch a camera or file and answer questions on a sliding window.

    With [bold]--json[/], one JSON object a line for each window.
    """
    settings = EngineSettings.checked(
        fps=fps,
        window=window,
        stride=stride,
        pruner=pruner,
        refresh=refresh,
        keep=keep,
        anchor_every=anchor_every,
        frame_size=parse_size(frame_size),
        text=text,
        text_above=text_above,
    )
    from costream.cli.display import show_verdicts
    from costream.cli.loading import load_engine
    from costream.video import Stream

    with Stream(source, motion=settings.uses_motion) as stream:
        engine = load_engine(model, settings, device)
        show_verdicts(engine, stream, ask, model, as_json=as_json)
