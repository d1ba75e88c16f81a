"""Options that several commands share, and how they become settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from costream.checkpoints import recommended_settings
from costream.cli.checks import positive
from costream.engine.attention.backends import ATTENTION, AUTO
from costream.engine.refresh import REFRESH
from costream.errors import SettingsError
from costream.pruning import PRUNERS
from costream.settings import EngineSettings

SourceArg = Annotated[
    str, typer.Argument(help="File, URL (rtsp, rtmp, http, udp ...) or [bold]-[/] for a pipe.")
]
SourcesArg = Annotated[
    list[str],
    typer.Argument(help="Files, URLs (rtsp, rtmp, http, udp ...) or [bold]-[/] for a pipe."),
]
WorkersOpt = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        help="Engines that share several sources; as many as cores on a CPU, one on a GPU.",
    ),
]
AskOpt = Annotated[
    list[str], typer.Option("--ask", help="A question of yes or no. May be given again.")
]
ModelOpt = Annotated[str, typer.Option("--model", help="Hub name or directory of a checkpoint.")]
FpsOpt = Annotated[float, typer.Option("--fps", help="Frames sampled a second.", callback=positive)]

# What is None is as the model recommends, or as the settings have it: see settings_for.
ModelFpsOpt = Annotated[float | None, typer.Option("--fps", help="Frames sampled a second.")]
WindowOpt = Annotated[
    float | None, typer.Option("--window", help="Length of the window in seconds.")
]
StrideOpt = Annotated[float | None, typer.Option("--stride", help="How far it moves, in seconds.")]
PrunerOpt = Annotated[
    str | None, typer.Option("--pruner", help=f"Which patches are kept: {', '.join(PRUNERS)}.")
]
RefreshOpt = Annotated[
    str | None, typer.Option("--refresh", help=f"What is recomputed: {', '.join(REFRESH)}.")
]
RefreshShareOpt = Annotated[
    float | None,
    typer.Option("--refresh-share", help="Share recomputed by policies that take one."),
]
AuditOpt = Annotated[
    str | None,
    typer.Option(
        "--audit",
        help="Share of compute that checking answers may take: as many windows are run in full "
        "as well. What it comes to: costream audit.",
    ),
]
ConfirmOpt = Annotated[
    bool | None,
    typer.Option(
        "--confirm/--no-confirm",
        help="Run a window in full as well before an answer turns to yes, and tell what that says.",
    ),
]
MaxDisagreementOpt = Annotated[
    str | None,
    typer.Option(
        "--max-disagreement",
        help="Hold the share of answers that differ from full recomputation's under this, such as "
        "1%, at least cost; by checking 1% of windows, where --audit says nothing else.",
    ),
]
BudgetOpt = Annotated[
    str | None,
    typer.Option(
        "--budget",
        help="Hold the cost of each source under this share of full recomputation's, with as much "
        "care as it leaves room for.",
    ),
]
RecentOpt = Annotated[
    float | None,
    typer.Option(
        "--recent", help="Seconds at the window's end that the model is shown (default: all)."
    ),
]
HoldOpt = Annotated[
    bool,
    typer.Option(
        "--hold/--drop", help="Pruned patches stay in sight as they last were, or are left out."
    ),
]
KeepOpt = Annotated[float | None, typer.Option("--keep", help="Share kept by rules that take one.")]
AnchorOpt = Annotated[
    float | None,
    typer.Option(
        "--anchor-every",
        help="Seconds between frames encoded whole (default: two windows' length).",
    ),
]
SizeOpt = Annotated[
    str | None,
    typer.Option(
        "--frame-size", help="WIDTHxHEIGHT that frames are resized to (default: the model's rule)."
    ),
]
DecodeOpt = Annotated[
    str,
    typer.Option(
        "--decode",
        help="Which pictures are decoded: auto, of H.264 and H.265 those that something changed "
        "in; or all.",
    ),
]
ReconnectOpt = Annotated[
    float,
    typer.Option(
        "--reconnect",
        help="Seconds for which a live source that is away is asked for again, at the start as "
        "well; 0: not at all.",
    ),
]
TextTokensOpt = Annotated[
    int | None,
    typer.Option("--max-text-tokens", help="Tokens after which a sentence is cut off."),
]
ThresholdOpt = Annotated[
    list[str] | None,
    typer.Option(
        "--threshold",
        help="Score from which an answer is a yes: a number for all questions, QUESTION=NUMBER for "
        "one of them. May be given again (default: as the model recommends, or 0.5).",
    ),
]
MaskOpt = Annotated[
    list[str] | None,
    typer.Option(
        "--mask",
        help="What no model sees: corners in shares of the picture, such as "
        '"0,0 0.4,0 0.4,0.25 0,0.25". May be given again.',
    ),
]
AttentionOpt = Annotated[
    str | None,
    typer.Option(
        "--attention",
        help=f"What computes attention: {', '.join([AUTO, *ATTENTION])} (default: {AUTO}). flex "
        "never ran on a GPU, and is slow on a CPU.",
    ),
]
DeviceOpt = Annotated[
    str | None, typer.Option("--device", help="Torch device (default: GPU, else CPU).")
]
DtypeOpt = Annotated[
    str | None,
    typer.Option(
        "--dtype",
        help="Of weights and cache: float32, bfloat16 or float16 (default: bfloat16 on a GPU, "
        "float32 on a CPU).",
    ),
]
KVDtypeOpt = Annotated[
    str | None,
    typer.Option("--kv-dtype", help="Of stored keys and values: int8 (default: as --dtype)."),
]
KVMemoryOpt = Annotated[
    str | None,
    typer.Option(
        "--kv-memory",
        help="Memory for keys, values and features of all sources, such as 8GiB or 8GB; --workers "
        "share it in equal parts (default: a share of what a GPU has free, no bound on a CPU).",
    ),
]
SeedOpt = Annotated[int, typer.Option("--seed", min=0, help="Picks the scene and what happens.")]
JsonOpt = Annotated[bool, typer.Option("--json", help="Print JSON.")]


_WIDEST = {"window": 1e9, "stride": 1e-9}
"""Any window or stride that is given fits these."""


def settings_for(
    model: str, given: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
) -> EngineSettings:
    """Returns what the user gave, else what the model recommends, else the command's defaults.

    Args:
        model: the model's name.
        given: by name of the setting; what is None was not given.
        defaults: the command's own, where they differ from those of the settings.

    Raises:
        SettingsError: a setting is wrong.
        ModelError: there is no such model.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    # What is wrong whatever the model recommends is told before a hub is asked what it does.
    EngineSettings.checked(**{**_WIDEST, **chosen})
    return EngineSettings.preferring(chosen, {**(defaults or {}), **recommended_settings(model)})


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Reads ``WIDTHxHEIGHT``.

    Raises:
        SettingsError: it is not of that form.
    """
    if text is None:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise SettingsError(f"frame size {text!r} is not of the form WIDTHxHEIGHT, such as 448x448")
    if not (int(width) and int(height)):
        raise SettingsError(f"frame size {text!r} holds no pixel: choose such as 448x448")
    return int(width), int(height)
