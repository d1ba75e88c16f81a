from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costream.errors import SettingsError
from costream.lab.evaluate.policies import POLICIES, Budget, choose_policies
from costream.settings import EngineSettings

BASE = EngineSettings(window=10, stride=2)


def test_reference_and_default_always_run() -> None:
    assert [policy.name for policy in choose_policies(["evs"])] == ["full", "costream", "evs"]
    assert [policy.name for policy in choose_policies([])] == list(POLICIES)
    with pytest.raises(SettingsError, match="unknown policy 'best': choose of full, prune-only"):
        choose_policies(["best"])


@pytest.mark.parametrize("name", list(POLICIES))
@given(kept=st.floats(0, 1))
def test_every_policy_is_a_setting_of_the_engine(name: str, kept: float) -> None:
    budget = Budget(kept, patches=10)
    found = POLICIES[name].settings(BASE, budget)
    assert (found.window, found.stride) == (10, 2)
    assert found.recent is None or 1 <= found.recent <= 10
    assert 0 <= found.keep <= 1


def test_equal_budgets_by_hand() -> None:
    budget = Budget(kept=0.28, patches=10)
    assert budget.kept_beside_anchors(1) == pytest.approx(0.2)
    assert budget.kept_beside_anchors(2) == pytest.approx(0.23 / 0.95)
    assert budget.recent(BASE) == 3.0
    assert POLICIES["low-fps"].settings(BASE, budget).keep == 0.28
