from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from costream import Engine
from costream.cli.options import settings_for
from costream.errors import ModelError, SettingsError
from costream.models import recommended_settings

OWN = {"window": 10, "stride": 2, "fps": 2, "frame_size": [224, 128], "threshold": 0.4}


@pytest.fixture
def own(checkpoint: Path, tmp_path: Path) -> Path:
    """A checkpoint that recommends its own settings."""
    folder = tmp_path / "own"
    shutil.copytree(checkpoint, folder)
    (folder / "costream.json").write_text(json.dumps(OWN))
    return folder


def test_an_engine_is_as_its_checkpoint_recommends(own: Path) -> None:
    settings = Engine.from_pretrained(str(own), device="cpu", stride=5).settings
    assert (settings.window, settings.stride, settings.frame_size) == (10, 5, (224, 128))
    assert settings.threshold == 0.4


def test_the_user_wins_over_the_model_and_the_model_over_the_command(own: Path) -> None:
    given = {"stride": 4.0, "window": None}
    settings = settings_for(str(own), given, {"window": 16.0, "keep": 0.7})
    assert (settings.stride, settings.window, settings.keep) == (4, 10, 0.7)


def test_a_threshold_that_is_given_keeps_the_scores_as_they_are_calibrated(own: Path) -> None:
    (own / "costream.json").write_text(json.dumps({**OWN, "calibration": {"Smoke?": 0.1}}))
    settings = settings_for(str(own), {"threshold": 0.7})
    assert settings.threshold == 0.7
    assert settings.calibrated("Smoke?", 0.1) == pytest.approx(0.5)
    assert settings.calibrated("Fire?", 0.1) == pytest.approx(0.1)


def test_a_checkpoint_need_not_recommend_anything(checkpoint: Path) -> None:
    assert recommended_settings(str(checkpoint)) == {}
    assert Engine.from_pretrained(str(checkpoint), device="cpu").settings.window == 40


@pytest.mark.parametrize("text", ["{", "[1]", ""])
def test_a_broken_file_is_told(own: Path, text: str) -> None:
    (own / "costream.json").write_text(text)
    with pytest.raises(ModelError, match=r"costream\.json of '.*' can't be used"):
        recommended_settings(str(own))


def test_a_setting_that_there_is_not_is_told(own: Path) -> None:
    (own / "costream.json").write_text('{"windows": 3}')
    with pytest.raises(SettingsError, match="setting windows"):
        Engine.from_pretrained(str(own), device="cpu")


def test_a_model_that_there_is_not_is_told() -> None:
    with pytest.raises(ModelError, match="unknown model"):
        recommended_settings("./nowhere")
