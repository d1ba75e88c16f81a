"""Checkpoints with quantised weights load, or are refused in a sentence that names what lacks."""

from __future__ import annotations

import json
import logging
import shutil
from importlib import util
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from costream.engine.engine import Engine
from costream.errors import ModelError
from costream.models import SIZES, ModelAdapter, load_model, quantised, write_untrained
from costream.models.quantised import check_products
from costream.models.qwen3_vl import Qwen3VLSize
from costream.settings import EngineSettings
from tests.fakes import FakeStream, noise_pictures, samples_of
from tests.models import real
from tests.models.quantised import write_fp8, write_fp8_channels

BLOCKS = {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic"}
"""``weight_block_size`` comes on top."""

HALF_STEP = 1 / 16
"""Most that rounding to three bits of mantissa changes a number, as a share of it."""


def copy(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


def close(quantised: ModelAdapter, plain: ModelAdapter) -> None:
    """Every weight is what it was, but for the rounding."""
    ours, theirs = quantised.model.state_dict(), plain.model.state_dict()
    assert ours.keys() == theirs.keys()
    rounded = 0
    # The vocabularies of real checkpoints are not quantised, and large.
    for name, weight in ((n, w) for n, w in theirs.items() if ".layers." in n):
        error = (ours[name].float() - weight).abs()
        # Numbers far below their block's largest are rounded on a scale of its own.
        assert (error <= HALF_STEP * weight.abs() + weight.abs().max() / 2**14).all(), name
        rounded += bool(error.max() > weight.abs().max() / 100)
    assert rounded > 0


def watched(model: ModelAdapter) -> list[float]:
    settings = EngineSettings(fps=2, window=2, stride=1, frame_size=(128, 96))
    stream = FakeStream(samples_of(noise_pictures(8)))
    return [result.answers[0].score for result in Engine(model, settings).watch(stream, ["Is?"])]


@pytest.mark.parametrize(
    ("kind", "experts", "block"),
    [("", "each", 32), ("", "each", 48), ("moe_", "each", 48), ("moe_", "stacked", 128)],
)
def test_fp8_is_dequantised_on_a_cpu(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    experts: str,
    block: int,
) -> None:
    """Whether blocks divide the matrices or the last ones are cut off; without any library."""
    path = copy(request.getfixturevalue(f"{kind}checkpoint"), tmp_path)
    plain: ModelAdapter = request.getfixturevalue(f"{kind}model")
    write_fp8(path, {**BLOCKS, "weight_block_size": [block, block]}, experts=experts)
    with caplog.at_level(logging.WARNING, logger="costream"):
        model = load_model(str(path), device="cpu")
    assert [r.getMessage() for r in caplog.records] == [
        f"{path} has FP8 weights: they are dequantised to float32 and take the memory of plain ones"
    ]
    close(model, plain)
    assert (model.parameters, model.kv_shape) == (plain.parameters, plain.kv_shape)
    assert model.text_flops(5, 9, 1) == plain.text_flops(5, 9, 1)
    assert watched(model) == pytest.approx(watched(plain), abs=0.05)


@pytest.mark.parametrize("size", ["qwen2.5-test", "internvl-test", "llava-test"])
def test_fp8_of_every_family_is_dequantised(tmp_path: Path, size: str) -> None:
    path = write_untrained(tmp_path, size)
    plain = load_model(str(path), device="cpu")
    write_fp8(path, {**BLOCKS, "weight_block_size": [32, 32]})
    close(load_model(str(path), device="cpu"), plain)


def test_fp8_in_half_precision_is_of_that_type(checkpoint: Path, tmp_path: Path) -> None:
    path = copy(checkpoint, tmp_path)
    write_fp8(path, {**BLOCKS, "weight_block_size": [32, 32]})
    model = load_model(str(path), device="cpu", dtype=torch.bfloat16)
    assert {weight.dtype for weight in model.model.parameters()} == {torch.bfloat16}
    assert model.kv_shape.dtype == torch.bfloat16


def test_the_published_fp8_settings_load(tmp_path: Path) -> None:
    """Those of the 30B-A3B, of which experts and attention are FP8 and routers are not."""
    name = "Qwen3-VL-30B-A3B-Thinking"
    published = json.loads((real.published_files(name) / "config_fp8.json").read_text())
    path = real.qwen3_vl(tmp_path, name)
    plain = load_model(str(path), device="cpu")
    write_fp8(path, published["quantization_config"])
    close(load_model(str(path), device="cpu"), plain)


def test_a_sharded_fp8_checkpoint_is_read_whole(
    checkpoint: Path, model: ModelAdapter, tmp_path: Path
) -> None:
    path = copy(checkpoint, tmp_path)
    write_fp8(path, {**BLOCKS, "weight_block_size": [32, 32]})
    shard(path)
    close(load_model(str(path), device="cpu"), model)


def shard(path: Path) -> None:
    """Splits the weights into two files, so that scales may lie apart from their weights."""
    tensors = load_file(path / "model.safetensors")
    (path / "model.safetensors").unlink()
    names = sorted(tensors, key=lambda name: (name.endswith("_scale_inv"), name))
    index = {}
    for number, part in enumerate((names[: len(names) // 2], names[len(names) // 2 :])):
        file = f"model-{number + 1:05}-of-00002.safetensors"
        save_file({name: tensors[name] for name in part}, path / file, metadata={"format": "pt"})
        index |= dict.fromkeys(part, file)
    text = json.dumps({"metadata": {}, "weight_map": index})
    (path / "model.safetensors.index.json").write_text(text)


def test_scales_that_don_t_fit_their_blocks_are_told(checkpoint: Path, tmp_path: Path) -> None:
    path = copy(checkpoint, tmp_path)
    write_fp8(path, {**BLOCKS, "weight_block_size": [32, 32]})
    edit_quantisation(path, weight_block_size=[48, 48])
    with pytest.raises(ModelError, match=r"a scale of another shape than its weight .* of 48x48$"):
        load_model(str(path), device="cpu")


def test_fp8_numbers_without_a_scale_are_told(checkpoint: Path, tmp_path: Path) -> None:
    path = copy(checkpoint, tmp_path)
    write_fp8(path, {**BLOCKS, "weight_block_size": [32, 32]})
    tensors = load_file(path / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if "q_proj.weight_s" not in name}
    save_file(kept, path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"no scale for its FP8 weight .*q_proj\.weight$"):
        load_model(str(path), device="cpu")


def edit_quantisation(path: Path, **values: Any) -> None:
    config = json.loads((path / "config.json").read_text())
    config["quantization_config"] = {**config.get("quantization_config", {}), **values}
    (path / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"quant_method": "compressed-tensors"},
            r"needs compressed-tensors and accelerate: pip install 'costream\[quantised\]'",
        ),
        (
            {"quant_method": "bitsandbytes", "load_in_4bit": True},
            r"by bitsandbytes, which needs bitsandbytes and accelerate: pip install 'costream\[",
        ),
        ({"load_in_8bit": True}, r"by bitsandbytes, which needs bitsandbytes and accelerate"),
        ({"bits": 4}, r"by 'None', which is not supported"),
        ({"quant_method": "hqq"}, r"by 'hqq', which is not supported: .* plain weights, or with"),
    ],
)
@pytest.mark.parametrize("part", [None, "text_config"])
def test_a_library_that_is_not_there_is_named(
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    message: str,
    part: str | None,
) -> None:
    path = copy(checkpoint, tmp_path)
    config = json.loads((path / "config.json").read_text())
    (config[part] if part else config)["quantization_config"] = settings
    (path / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr(quantised, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=message) as caught:
        load_model(str(path), device="cpu")
    assert "\n" not in str(caught.value)


def needs(*libraries: str) -> pytest.MarkDecorator:
    missing = [name for name in libraries if util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} is not installed")


@needs("compressed_tensors", "accelerate")
@pytest.mark.parametrize("size", [name for name in SIZES if name.endswith("test")])
def test_compressed_tensors_load(tmp_path: Path, size: str) -> None:
    path = write_untrained(tmp_path, size)
    plain = load_model(str(path), device="cpu")
    write_fp8_channels(path)
    model = load_model(str(path), device="cpu")
    close(model, plain)
    assert model.parameters == plain.parameters


@needs("compressed_tensors", "accelerate")
def test_experts_of_compressed_tensors_are_refused(moe_checkpoint: Path, tmp_path: Path) -> None:
    """Its library leaves experts that the stock class holds all in one as they are stored."""
    path = copy(moe_checkpoint, tmp_path)
    write_fp8_channels(path)
    with pytest.raises(ModelError, match=r"experts quantised each .* of awq, fp8, gptq only: cho"):
        load_model(str(path), device="cpu")


WIDE = {
    # A bitsandbytes block is of 64 numbers: every matrix has to be that wide.
    "dense": Qwen3VLSize(128, 2, 256, 4, 2, 128, 2, 2, (0,)),
    "experts": Qwen3VLSize(128, 2, 256, 4, 2, 128, 2, 2, (0,), experts=4),
}


def write_bitsandbytes(plain: Path, path: Path, bits: int) -> None:
    from transformers import AutoModelForImageTextToText, BitsAndBytesConfig

    options = {"bnb_4bit_compute_dtype": torch.float32, "load_in_4bit": bits == 4}
    config = BitsAndBytesConfig(load_in_8bit=bits == 8, **options)
    stored = AutoModelForImageTextToText.from_pretrained(
        plain, quantization_config=config, device_map={"": "cpu"}
    )
    shutil.copytree(plain, path)
    stored.save_pretrained(path)


@needs("bitsandbytes", "accelerate")
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("kind", WIDE)
def test_bitsandbytes_load(tmp_path: Path, kind: str, bits: int) -> None:
    checkpoint = write_untrained(tmp_path / "plain", WIDE[kind])
    write_bitsandbytes(checkpoint, tmp_path / "packed", bits)
    plain, model = (load_model(str(tmp_path / n), device="cpu") for n in ("plain", "packed"))
    assert (model.parameters, model.kv_shape) == (plain.parameters, plain.kv_shape)
    assert model.text_flops(5, 9, 1) == plain.text_flops(5, 9, 1)
    assert model.vision_flops([48], [48]) == plain.vision_flops([48], [48])
    assert watched(model) == pytest.approx(watched(plain), abs=0.1)


def test_a_product_that_a_library_can_t_do_here_is_one_sentence() -> None:
    """Told when the model is loaded, and not by a traceback from its first forward pass."""

    class Packed(nn.Linear):
        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("no kernel\nfor this processor")

    model = nn.Sequential(nn.Linear(2, 2), Packed(2, 2))
    model.device = torch.device("cpu")  # type: ignore[assignment]
    with pytest.raises(ModelError, match=r"weights 1 of 'x' .* on cpu: no kernel for this proc"):
        check_products("x", model, torch.float32)
