"""Other packages add pruners, refresh policies and model families by entry points."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from costream.engine.engine import Engine
from costream.engine.refresh import REFRESH
from costream.errors import SettingsError
from costream.models import MODELS, ModelAdapter, load_model
from costream.pruning import PRUNERS, Pruner, change_rules
from costream.registry import Registry
from costream.settings import EngineSettings
from tests.engine.test_scheduler import Named
from tests.plugins import install

ROOT = Path(__file__).parents[1]

CODE = """
    import numpy as np

    from costream.engine.refresh import RefreshPolicy
    from costream.pruning import KeepMask, Pruner


    class Checkered(Pruner):
        name = "checkered"

        def decide(self, samples):
            groups = np.indices(self.grid.group_shape).sum(0) % 2 == 0
            return KeepMask(groups, None)


    class Everything(RefreshPolicy):
        def select(self, overlap, deviations):
            return overlap.of(lambda patch: True)
"""

FAMILY = """
    from transformers import AutoConfig, Qwen3VLConfig

    from costream.models.qwen3_vl import Qwen3VLAdapter


    class LookalikeConfig(Qwen3VLConfig):
        model_type = "lookalike"


    AutoConfig.register("lookalike", LookalikeConfig)


    class Lookalike(Qwen3VLAdapter):
        model_types = ("lookalike",)
"""

HALF = """
    from costream.pruning import Pruner


    class Nameless(Pruner):
        def decide(self, samples):
            raise NotImplementedError


    class Undecided(Pruner):
        name = "undecided"
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder of packages on the path. The registries forget what they found there."""
    monkeypatch.syspath_prepend(tmp_path)
    registries = (PRUNERS, REFRESH, MODELS)
    before = [dict(registry._classes) for registry in registries]
    for registry in registries:
        registry.__dict__.pop("_plugins", None)
    yield tmp_path
    for registry, classes in zip(registries, before, strict=True):
        registry.__dict__.pop("_plugins", None)
        registry._classes = classes
    for file in tmp_path.glob("*.py"):
        sys.modules.pop(file.stem, None)


def engine_of(model: ModelAdapter, **values: object) -> Engine:
    defaults = {"fps": 2, "window": 6, "stride": 2, "frame_size": (128, 96)}
    return Engine(model, EngineSettings.checked(**{**defaults, **values}))


def test_a_pruner_and_a_policy_of_another_package_are_used_by_name(
    installed: Path, model: ModelAdapter
) -> None:
    entries = {
        "costream.pruners": {"checkered": "plugin_rules:Checkered"},
        "costream.refresh": {"everything": "plugin_rules:Everything"},
    }
    install(installed, "plugin_rules", CODE, entries)
    assert "checkered" in PRUNERS and "everything" in REFRESH
    assert list(PRUNERS)[-1] == "checkered" and list(REFRESH)[-1] == "everything"
    assert "plugin_rules" not in sys.modules
    engine = engine_of(model, pruner="checkered", refresh="everything")
    results = list(engine.watch(Named(0, 20), ["Is it?"]))
    for result in results:
        assert result.tokens.kept == result.tokens.full // 2
    # The published `full` begins positions again as well; this one recomputes where tokens are.
    assert all(result.tokens.reused == 0 for result in results)
    assert change_rules()[-1] == "checkered"


def test_a_family_of_another_package_loads_its_checkpoints(
    installed: Path, checkpoint: Path, model: ModelAdapter, tmp_path: Path
) -> None:
    entries = {"costream.models": {"lookalike": "plugin_family:Lookalike"}}
    install(installed, "plugin_family", FAMILY, entries)
    copy = shutil.copytree(checkpoint, tmp_path / "weights")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "model_type": "lookalike"}))
    loaded = load_model(str(copy), device="cpu")
    assert type(loaded).__name__ == "Lookalike"
    (mine,), (theirs,) = (
        list(engine_of(one).watch(Named(0, 12), ["Is it?"])) for one in (loaded, model)
    )
    assert mine.answers == theirs.answers


@pytest.mark.parametrize(
    ("code", "value", "message"),
    [
        ("import nothing_of_that_name", "broken:X", "ModuleNotFoundError: No module named 'noth"),
        ("1 / 0", "broken:X", "ZeroDivisionError: division by zero; repair that package or"),
        ("raise ValueError", "broken:X", "ValueError: it does not say why; repair"),
        ("raise ValueError('a\\nb')", "broken:X", "ValueError: a; repair"),
        ("", "broken:X", "AttributeError: module 'broken' has no attribute 'X'"),
        ("X = 3", "broken:X", "broken:X is no class that derives from Pruner"),
        ("class X: pass", "broken:X", "broken:X is no class that derives from Pruner"),
        (HALF, "broken:Nameless", "broken:Nameless lacks name"),
        (HALF, "broken:Undecided", "broken:Undecided lacks decide"),
    ],
)
def test_a_broken_plug_in_is_one_sentence_and_harms_no_other(
    installed: Path, code: str, value: str, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    install(installed, "broken", code, {"costream.pruners": {"half": value}})
    assert EngineSettings.checked(pruner="last-kept").pruner == "last-kept"
    assert "half" in list(PRUNERS) and "half" not in change_rules()
    assert message in caplog.text
    with pytest.raises(SettingsError, match="the pruner 'half' of the package broken") as caught:
        EngineSettings.checked(pruner="half")
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_name_that_is_taken_stays_with_whom_it_was(
    installed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for package in ("one", "two"):
        entries = {"last-kept": f"{package}:Checkered", "checkered": f"{package}:Checkered"}
        install(installed, package, CODE, {"costream.pruners": entries})
    assert PRUNERS["checkered"].__module__ in ("one", "two")
    assert PRUNERS["last-kept"].__module__ == "costream.pruning.last_kept"
    assert len(list(PRUNERS)) == len(set(PRUNERS))
    assert caplog.text.count("registers the pruner 'last-kept', a name that is taken") == 2
    assert caplog.text.count("registers the pruner 'checkered', a name that is taken") == 1


def test_a_class_that_registers_itself_besides_is_no_trouble(installed: Path) -> None:
    code = CODE.replace("class Checkered", "@PRUNERS.register('checkered')\n    class Checkered")
    code = code.replace("import KeepMask", "import PRUNERS, KeepMask")
    entries = {"costream.pruners": {"checkered": "selfish:Checkered"}}
    install(installed, "selfish", code, entries)
    assert PRUNERS["checkered"] is PRUNERS["checkered"]
    assert list(PRUNERS).count("checkered") == 1


def test_the_command_offers_what_is_installed_and_names_what_is_broken(
    installed: Path, tmp_path: Path
) -> None:
    entries = {"costream.pruners": {"checkered": "plugin_rules:Checkered"}}
    install(installed, "plugin_rules", CODE, entries)
    install(installed, "broken", "1 / 0", {"costream.pruners": {"half": "broken:X"}})
    (tmp_path / "x.mp4").write_bytes(b"no video")
    wrong = ["run", str(tmp_path / "x.mp4"), "--ask", "Is it?", "--pruner", "half"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.cli.commands"],
        input=json.dumps([["run", "--help"], wrong]),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(installed), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=True,
    )
    offered, refused = json.loads(done.stdout)
    assert "checkered" in offered["out"]
    assert refused["status"] == 1
    assert refused["err"].count("\n") == 1 and "the pruner 'half' of the package" in refused["err"]


def test_what_this_package_registers_twice_is_a_mistake_of_ours() -> None:
    registry: Registry[Pruner] = Registry("pruner", Pruner, "costream.nothing")
    registry.register("x")(PRUNERS["none"])
    with pytest.raises(ValueError, match="'x' is registered twice"):
        registry.register("x")(PRUNERS["none"])
    with pytest.raises(SettingsError, match="unknown pruner 'y': choose one of x"):
        registry["y"]
