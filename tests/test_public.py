"""The public surface, and that it stays light to import."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import costream

ROOT = Path(__file__).parent.parent


def test_all_names_are_there() -> None:
    for name in costream.__all__:
        assert getattr(costream, name) is not None
    assert set(costream.__all__) <= set(dir(costream))


def test_surface_is_what_it_was_meant_to_be() -> None:
    assert set(costream.__all__) == {
        "Answer",
        "Ask",
        "CoStreamError",
        "Engine",
        "EngineSettings",
        "FlopCount",
        "Gap",
        "IntegrityError",
        "LiveStream",
        "ModelError",
        "Session",
        "SettingsError",
        "SourceError",
        "SourceLostError",
        "SourceRefusedError",
        "StageSeconds",
        "Stream",
        "StreamInfo",
        "StreamView",
        "TokenCount",
        "Result",
        "WatchHandle",
        "__version__",
        "load_model",
        "open_source",
    }


def test_stations_without_torch_don_t_import_it() -> None:
    stations = (
        "costream.cli, costream.video, costream.pruning, costream.preprocessing, costream.audit"
    )
    code = f"import sys, costream, costream.lab.synth, {stations};"
    code += "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_changelog_names_the_version() -> None:
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert newest and newest.group(1) == costream.__version__
