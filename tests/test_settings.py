"""Calibration and thresholds are found by what a question means."""

from __future__ import annotations

import pytest

from costream.errors import SettingsError
from costream.lab.synth import EVENTS
from costream.models import recommended_settings
from costream.settings import EngineSettings


def test_a_correction_does_not_hang_on_the_spelling() -> None:
    settings = EngineSettings(calibration={"Is someone fighting?": 0.9963})
    for ask in ("Is someone fighting?", "Is someone fighting", "is  someone FIGHTING ?"):
        assert settings.calibrated(ask, 0.9963) == pytest.approx(0.5)
        assert settings.calibrated_wording(ask) == "Is someone fighting?"
    assert settings.calibrated("Is nobody fighting?", 0.9963) == pytest.approx(0.9963)
    assert settings.uncalibrated(["is someone fighting", "Fire?"]) == ["Fire?"]


@pytest.mark.parametrize("model", ["costream/tiny", "costream/tiny-internvl"])
def test_embedded_models_are_calibrated_in_every_wording_of_an_event(model: str) -> None:
    settings = EngineSettings.preferring({}, recommended_settings(model))
    for alarm in EVENTS.values():
        bare = [ask.removesuffix("?").upper() for ask in alarm.questions]
        assert len({settings.calibrated(ask, 0.9) for ask in bare}) == 1
        assert settings.uncalibrated(bare) == []


def test_a_question_has_the_threshold_of_its_own_else_that_of_all() -> None:
    settings = EngineSettings(threshold=0.7, thresholds={"Is there smoke?": 0.3})
    assert settings.threshold_for("is there smoke") == 0.3
    assert settings.threshold_for("Is there no smoke?") == 0.7


@pytest.mark.parametrize("setting", ["calibration", "thresholds"])
def test_one_question_has_one_value(setting: str) -> None:
    assert EngineSettings.checked(**{setting: {"Smoke?": 0.2, "smoke": 0.2}})
    with pytest.raises(SettingsError, match=r"gives one question two values: 'Smoke\?' 0.2 and"):
        EngineSettings.checked(**{setting: {"Smoke?": 0.2, "smoke": 0.3}})


def test_given_thresholds_win_over_recommended_ones() -> None:
    recommended = {"threshold": 0.4, "thresholds": {"Smoke?": 0.2, "Fire?": 0.1}}
    common = EngineSettings.preferring({"threshold": 0.8}, recommended)
    assert [common.threshold_for(ask) for ask in ("Smoke?", "Fire?", "Dog?")] == [0.8, 0.8, 0.8]
    one = EngineSettings.preferring({"thresholds": {"smoke": 0.9}}, recommended)
    assert [one.threshold_for(ask) for ask in ("Smoke?", "Fire?", "Dog?")] == [0.9, 0.1, 0.4]
