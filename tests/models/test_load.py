from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest
import torch

from costream.errors import ModelError, SettingsError
from costream.models import SIZES, load_model, recommended_settings, write_untrained
from costream.models.untrained import build_tokenizer


def copy(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


def edit_config(path: Path, **values: object) -> None:
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, **values}))


def test_checkpoints_of_one_seed_are_equal(tmp_path: Path) -> None:
    first, second, other = (
        load_model(str(write_untrained(tmp_path / name, seed=seed)), device="cpu")
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert (first.model.lm_head.weight == second.model.lm_head.weight).all()
    assert not (first.model.lm_head.weight == other.model.lm_head.weight).all()


def test_a_size_must_be_known(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="150m"):
        write_untrained(tmp_path, "huge")


@pytest.mark.parametrize("name", [name for name in SIZES if name.endswith("150m")])
def test_150m_has_about_150_million_parameters(name: str) -> None:
    tokenizer = build_tokenizer(SIZES[name])
    with torch.device("meta"):
        model = SIZES[name].build(tokenizer)
    assert 145e6 < sum(weights.numel() for weights in model.parameters()) < 155e6


def test_an_untrained_model_warns_and_is_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with caplog.at_level(logging.WARNING, logger="costream"):
        load_model("costream/untrained-test", device="cpu")
    assert "not trained" in caplog.text
    (cached,) = (tmp_path / "costream").iterdir()
    written = cached.stat().st_mtime_ns
    load_model("costream/untrained-test", device="cpu")
    assert cached.stat().st_mtime_ns == written


@pytest.mark.parametrize("name", ["costream/tiny", "costream/tiny-internvl"])
def test_an_embedded_model_is_trained_and_says_how_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with caplog.at_level(logging.WARNING, logger="costream"):
        load_model(name, device="cpu")
    assert not caplog.text
    assert not list(tmp_path.iterdir())
    assert recommended_settings(name)["window"] > 0


@pytest.mark.parametrize("name", ["nope", "./nope", "/nope/at/all", "costream/untrained-9t"])
def test_an_unknown_name_is_one_sentence(name: str) -> None:
    with pytest.raises(ModelError, match=r"(unknown model|no untrained model)") as caught:
        load_model(name, device="cpu")
    assert "\n" not in str(caught.value)


def test_another_family_is_refused_by_name(checkpoint: Path, tmp_path: Path) -> None:
    path = copy(checkpoint, tmp_path)
    (path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(ModelError, match=r"'llama' are not supported: choose one of .*qwen3_vl"):
        load_model(str(path), device="cpu")


def test_a_family_that_transformers_does_not_know_is_refused_by_name(
    checkpoint: Path, tmp_path: Path
) -> None:
    """Nor is code of a checkpoint's own asked for, let alone run."""
    path = copy(checkpoint, tmp_path)
    own = {"model_type": "openvla", "auto_map": {"AutoConfig": "own.Config"}}
    (path / "config.json").write_text(json.dumps(own))
    with pytest.raises(ModelError, match=r"'openvla' are not .*: choose one of .*internvl,"):
        load_model(str(path), device="cpu")


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("InternVL3-8B", "OpenGVLab/InternVL3-8B-hf"),
        ("InternVL3_5-30B-A3B", "OpenGVLab/InternVL3_5-30B-A3B-HF"),
        ("my-tune", "the one whose name ends in -hf, such as OpenGVLab/InternVL3-8B-hf"),
    ],
)
def test_an_internvl_with_code_of_its_own_is_told_of_its_conversion(
    tmp_path: Path, folder: str, name: str
) -> None:
    path = tmp_path / folder
    path.mkdir()
    own = {"model_type": "internvl_chat", "auto_map": {"AutoConfig": "own.Config"}}
    (path / "config.json").write_text(json.dumps(own))
    with pytest.raises(ModelError, match=f"'internvl_chat', .* of transformers, {name}$"):
        load_model(str(path), device="cpu")


@pytest.mark.parametrize("config", [True, False])
def test_a_gguf_is_told_as_what_it_is(checkpoint: Path, tmp_path: Path, config: bool) -> None:
    path = copy(checkpoint, tmp_path)
    (path / "model.safetensors").rename(path / "model-Q4_K_M.gguf")
    if not config:
        (path / "config.json").unlink()
    for name in (path, path / "model-Q4_K_M.gguf"):
        with pytest.raises(ModelError, match=r"GGUF format .*: take the checkpoint"):
            load_model(str(name), device="cpu")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_hidden_layers": 9}, r"lacks \d+ weights, such as model.language_model.layers"),
        ({"num_hidden_layers": 2}, r"has \d+ weights that its config has no place for, such as"),
        (
            {"intermediate_size": 96},
            r"has 9 weights of another shape than its config says, such as",
        ),
        ({"num_hidden_layers": "three"}, "config.json of .* can't be used: .* expected int"),
    ],
)
def test_weights_that_don_t_match_the_config_are_named(
    checkpoint: Path, tmp_path: Path, values: dict[str, object], message: str
) -> None:
    path = copy(checkpoint, tmp_path)
    text = json.loads((path / "config.json").read_text())["text_config"]
    edit_config(path, text_config={**text, **values})
    with pytest.raises(ModelError, match=message) as caught:
        load_model(str(path), device="cpu")
    assert "\n" not in str(caught.value)


def test_a_directory_that_is_no_checkpoint_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is no checkpoint .*: it has no config\.json$"):
        load_model(str(tmp_path), device="cpu")


def test_the_template_of_the_processor_is_the_one_that_counts(
    checkpoint: Path, tmp_path: Path
) -> None:
    """A tokenizer's own knows nothing of videos in some families, which keep the other as JSON."""
    path = copy(checkpoint, tmp_path)
    template = path / "chat_template.jinja"
    legacy = path / "chat_template.json"
    legacy.write_text(json.dumps({"chat_template": template.read_text()}))
    template.unlink()
    settings = json.loads((path / "tokenizer_config.json").read_text())
    settings["chat_template"] = "{{ messages[0].role }}"
    (path / "tokenizer_config.json").write_text(json.dumps(settings))
    assert load_model(str(path), device="cpu").prompt().ids.tolist()


@pytest.mark.parametrize("part", [None, "video_processor"])
def test_preprocessing_is_read_where_newer_and_older_checkpoints_have_it(
    checkpoint: Path, tmp_path: Path, part: str | None
) -> None:
    path = copy(checkpoint, tmp_path)
    file = path / "video_preprocessor_config.json"
    values = json.loads(file.read_text())
    file.unlink()
    name = "processor_config.json" if part else "preprocessor_config.json"
    (path / name).write_text(json.dumps({part: values} if part else values))
    assert load_model(str(path), device="cpu").preprocessing.mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.safetensors", "garbage", "can't load the weights"),
        ("model.safetensors", None, "can't load the weights"),
        ("tokenizer.json", "garbage", "can't load the tokenizer"),
        ("tokenizer.json", None, "has no tokenizer: tokenizer.json is missing"),
        ("config.json", "garbage", "unknown model"),
        ("config.json", "{}", "no config.json that names a model_type"),
        ("generation_config.json", "garbage", "generation_config.json of .* can't be used"),
        ("generation_config.json", "[1]", "generation_config.json of .* can't be used"),
        ("video_preprocessor_config.json", None, "no video_preprocessor_config.json"),
        ("video_preprocessor_config.json", "{}", "can't be used"),
        ("chat_template.jinja", "hello", "does not place a video"),
        ("chat_template.jinja", None, "no chat template"),
    ],
)
def test_a_broken_checkpoint_is_one_sentence(
    checkpoint: Path, tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    path = copy(checkpoint, tmp_path)
    (path / name).unlink() if content is None else (path / name).write_text(content)
    with pytest.raises(ModelError, match=message) as caught:
        load_model(str(path), device="cpu")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("device", ["cuda:99", "meta"])
def test_a_device_that_can_t_compute_is_refused(checkpoint: Path, device: str) -> None:
    with pytest.raises(ModelError, match=f"'{device}' can't be used on this machine"):
        load_model(str(checkpoint), device=device)


def test_in_half_precision_answers_are_told_apart_in_full(checkpoint: Path) -> None:
    """A logit of 16 in bfloat16 is right to a sixteenth, which moves a score by hundredths."""
    model = load_model(str(checkpoint), device="cpu", dtype=torch.bfloat16)
    hidden = 8 * torch.randn(3, model.model.lm_head.in_features, dtype=torch.bfloat16)
    exact = hidden.double() @ model.model.lm_head.weight.double().T  # type: ignore[operator]
    logits = model.logits(hidden).double()
    answers = torch.cat([model.yes_ids, model.no_ids])
    assert (logits - exact)[:, answers].abs().max() < 1e-5 * exact.abs().max()
    assert (logits - exact).abs().max() > 1e-4 * exact.abs().max()
