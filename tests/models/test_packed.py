"""AWQ and GPTQ checkpoints load as exactly what their packed numbers stand for, or are refused."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoConfig, AutoModelForImageTextToText

from costream.errors import ModelError
from costream.models import ModelAdapter, load_model, write_untrained
from costream.models.packed import READERS, unpack
from tests.models.packed import AWQ, GPTQ, packed, rounded, write_packed
from tests.models.test_quantised import watched

PUBLISHED = Path(__file__).parent / "data" / "packed.safetensors"

V2 = {**GPTQ, "checkpoint_format": "gptq_v2", "sym": False}

LAYER = "model.language_model.layers.1.self_attn.q_proj"


def both(checkpoint: Path, tmp_path: Path, settings: dict[str, Any]) -> tuple[Path, Path]:
    """Writes a checkpoint packed, and once more with plain weights of the same values."""
    paths = (tmp_path / "packed", tmp_path / "plain")
    for path, plain in zip(paths, (False, True), strict=True):
        shutil.copytree(checkpoint, path)
        write_packed(path, settings, plain=plain)
    return paths


def assert_same(model: ModelAdapter, plain: ModelAdapter) -> None:
    ours, theirs = model.model.state_dict(), plain.model.state_dict()
    assert ours.keys() == theirs.keys()
    for name, weight in theirs.items():
        assert torch.equal(ours[name], weight), name
    assert (model.parameters, model.kv_shape) == (plain.parameters, plain.kv_shape)


@pytest.mark.parametrize(
    ("label", "settings"),
    [
        ("awq", {"version": "GEMM", "w_bit": 4, "q_group_size": 16}),
        ("gptqmodel_awq", {"format": "gemm", "bits": 4, "group_size": 16}),
        ("auto_gptq_3", {"bits": 3, "group_size": 16}),
        ("auto_gptq_4", {"bits": 4, "group_size": 16, "desc_act": True}),
        ("auto_gptq_8", {"bits": 8, "group_size": 16}),
        ("gptq_v2", {"bits": 4, "group_size": 16, "checkpoint_format": "gptq_v2"}),
        ("gptqmodel_v1", {"bits": 4, "meta": {"quantizer": ["gptqmodel:7.7.0"]}}),
    ],
)
def test_what_published_packers_wrote_is_read_exactly(label: str, settings: dict[str, Any]) -> None:
    tensors = {
        name.removeprefix(f"{label}."): tensor
        for name, tensor in load_file(PUBLISHED).items()
        if name.startswith(f"{label}.")
    }
    numbers, zeros, groups = (tensors.pop(name).int() for name in ("numbers", "zeros", "groups"))
    scales = tensors["scales"].float()
    reader = READERS["awq" if "awq" in label else "gptq"]("published", settings)
    found = dict(reader.weights({f"layer.{name}": tensor for name, tensor in tensors.items()}))
    assert found.keys() == {"layer.weight"}
    assert torch.equal(found["layer.weight"], (numbers - zeros[:, groups]) * scales.T[:, groups])


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("dim", [0, 1])
def test_numbers_are_unpacked_along_either_dimension(bits: int, dim: int) -> None:
    words = torch.tensor([[-1, 0x7FFFFFFF, -(2**31)], [0x12345678, 0, -2]] * 3, dtype=torch.int32)
    stream = [int(word) & 0xFFFFFFFF for word in (words[:, 0] if dim == 0 else words[0])]
    whole = sum(word << 32 * at for at, word in enumerate(stream))
    count = len(stream) * 32 // bits
    found = unpack(words, bits, dim)
    line = found[:, 0] if dim == 0 else found[0]
    assert line.tolist() == [whole >> bits * at & 2**bits - 1 for at in range(count)]


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("", AWQ),
        ("moe_", AWQ),
        ("", {**AWQ, "group_size": -1}),
        ("", GPTQ),
        ("", {**V2, "bits": 3, "desc_act": True}),
        ("moe_", {**GPTQ, "bits": 8, "desc_act": True}),
    ],
)
def test_answers_are_those_of_the_dequantised_weights(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    settings: dict[str, Any],
) -> None:
    stored: ModelAdapter = request.getfixturevalue(f"{kind}model")
    paths = both(request.getfixturevalue(f"{kind}checkpoint"), tmp_path, settings)
    with caplog.at_level(logging.WARNING, logger="costream"):
        model, plain = (load_model(str(path), device="cpu") for path in paths)
    assert [record.getMessage() for record in caplog.records] == [
        f"{paths[0]} has {settings['quant_method'].upper()} weights: they are dequantised to "
        "float32 and take the memory of plain ones"
    ]
    assert_same(model, plain)
    scores = watched(model)
    # The last bit of a sum hangs on where its terms lie in memory.
    assert scores == pytest.approx(watched(plain), abs=1e-6)
    assert scores != watched(stored)


@pytest.mark.parametrize("settings", [AWQ, GPTQ, {**GPTQ, "group_size": 48, "bits": 8}])
@pytest.mark.parametrize("size", ["qwen2.5-test", "internvl-test", "llava-test"])
def test_every_family_loads(tmp_path: Path, size: str, settings: dict[str, Any]) -> None:
    """The vision encoder's layers too, biases, and groups that don't divide the inputs.

    Qwen2.5-VL's names are the older ones that published checkpoints have: ``model.layers``.
    """
    packed, plain = both(write_untrained(tmp_path / "stored", size), tmp_path, settings)
    assert_same(load_model(str(packed), device="cpu"), load_model(str(plain), device="cpu"))


@pytest.mark.parametrize("settings", [AWQ, {**GPTQ, "desc_act": True}])
def test_experts_that_are_plain_one_by_one_load(tmp_path: Path, settings: dict[str, Any]) -> None:
    """As of InternVL3.5 30B-A3B, whose plain checkpoints don't stack them."""
    stored = write_untrained(tmp_path / "stored", "internvl-test")
    config = json.loads((stored / "config.json").read_text())
    config["text_config"] |= {"model_type": "qwen3_moe", **EXPERTS}
    del config["text_config"]["layer_types"]
    (stored / "config.json").write_text(json.dumps(config))
    AutoModelForImageTextToText.from_config(AutoConfig.from_pretrained(stored)).save_pretrained(
        stored
    )
    path, plain = both(stored, tmp_path, settings)
    assert_same(load_model(str(path), device="cpu"), load_model(str(plain), device="cpu"))
    expert = "language_model.model.layers.0.mlp.experts.2.up_proj"
    edit(path, dict.fromkeys(f"{expert}.{part}" for part in PARTS))
    assert_refused(path, rf"lacks {expert}.weight$")


EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64}

PARTS = ("qweight", "qzeros", "scales", "g_idx")


def test_half_precision_is_rounded_once(checkpoint: Path, tmp_path: Path) -> None:
    packed, plain = both(checkpoint, tmp_path, AWQ)
    found = load_model(str(packed), device="cpu", dtype=torch.bfloat16).model.state_dict()
    for name, weight in load_model(str(plain), device="cpu").model.state_dict().items():
        assert torch.equal(found[name], weight.to(torch.bfloat16)), name


def test_layers_with_settings_of_their_own_load(checkpoint: Path, tmp_path: Path) -> None:
    """As GPTQModel's ``dynamic`` has it: other bits and groups, or a plain weight."""
    packed_path, plain = both(checkpoint, tmp_path, GPTQ)
    own = {**GPTQ, "bits": 8, "group_size": 16}
    stored = load_file(checkpoint / "model.safetensors")
    matrix = rounded(stored[f"{LAYER}.weight"], own)
    edit(plain, {f"{LAYER}.weight": matrix.values()})
    edit(packed_path, {f"{LAYER}.{part}": tensor for part, tensor in packed(matrix, own).items()})
    with pytest.raises(
        ModelError, match=r"has \S*q_proj.qzeros of int32 \[4, 16\], which does not"
    ):
        load_model(str(packed_path), device="cpu")
    left = LAYER.replace("q_proj", "o_proj")
    edit(plain, {f"{left}.weight": stored[f"{left}.weight"]})
    removed = dict.fromkeys(f"{left}.{part}" for part in PARTS)
    edit(packed_path, {**removed, f"{left}.weight": stored[f"{left}.weight"]})
    configure(
        packed_path,
        dynamic={r"+:.*\.1\..*q_proj": {"bits": 8, "group_size": 16}, r"-:.*\.1\..*o_proj": {}},
    )
    assert_same(load_model(str(packed_path), device="cpu"), load_model(str(plain), device="cpu"))


def test_a_packed_head_is_not_tied_to_the_vocabulary(checkpoint: Path, tmp_path: Path) -> None:
    path, _ = both(checkpoint, tmp_path, GPTQ)
    vocabulary = load_file(path / "model.safetensors")["model.language_model.embed_tokens.weight"]
    head = rounded(vocabulary.roll(1, 0), GPTQ)
    edit(path, {f"lm_head.{part}": tensor for part, tensor in packed(head, GPTQ).items()})
    configure(path, lm_head=True)
    found = load_model(str(path), device="cpu").model.state_dict()
    assert torch.equal(found["lm_head.weight"], head.values())
    assert torch.equal(found["model.language_model.embed_tokens.weight"], vocabulary)


def edit(path: Path, tensors: dict[str, Tensor | None]) -> None:
    """Replaces tensors, or takes them out where there is None."""
    merged = {**load_file(path / "model.safetensors"), **tensors}
    kept = {name: tensor for name, tensor in merged.items() if tensor is not None}
    save_file(kept, path / "model.safetensors", metadata={"format": "pt"})


def configure(path: Path, **values: Any) -> None:
    config = json.loads((path / "config.json").read_text())
    config["quantization_config"] |= values
    (path / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("settings", "part", "change", "message"),
    [
        (AWQ, "qzeros", lambda _: None, r"lacks \S*q_proj.qzeros$"),
        (GPTQ, "scales", lambda _: None, r"lacks \S*q_proj.scales$"),
        (AWQ, "qweight", lambda _: None, r"has \S*q_proj.qzeros, but no \S*q_proj.qweight$"),
        (AWQ, "qweight", lambda t: t[:, 1:], r"has \S*q_proj.qweight of int32 \[64, 7\], which"),
        (AWQ, "qweight", lambda t: t[None], r"q_proj.qweight of int32 \[1, 64, 8\], which does"),
        (AWQ, "qweight", lambda t: t.long(), r"q_proj.qweight of int64 \[64, 8\], which does not"),
        (AWQ, "qzeros", lambda t: t[1:], r"q_proj.qzeros of int32 \[1, 8\], which does not fit"),
        (AWQ, "scales", lambda t: t.int(), r"q_proj.scales of int32 \[2, 64\], which does not"),
        (GPTQ, "qweight", lambda t: t[1:], r"q_proj.g_idx of int32 \[64\], which does not fit"),
        (GPTQ, "qweight", lambda t: t[:, 1:], r"q_proj.qweight of int32 \[8, 63\], which does"),
        (GPTQ, "qzeros", lambda t: t[:, 1:], r"q_proj.qzeros of int32 \[2, 7\], which does not"),
        (GPTQ, "qzeros", lambda t: t[1:], r"q_proj.qzeros of int32 \[1, 8\], which does not fit"),
        (GPTQ, "g_idx", lambda t: t + 1, r"q_proj.g_idx that does not name each of 2 groups$"),
        (GPTQ, "g_idx", lambda t: t * 0, r"q_proj.g_idx that does not name each of 2 groups$"),
        (GPTQ, "qzeros", lambda t: t | 15, r"q_proj.qzeros with a zero point of 0, which the"),
        (V2, "weight", lambda _: torch.zeros(64, 64), r"q_proj.weight beside \S*q_proj.qweight$"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(
    checkpoint: Path,
    tmp_path: Path,
    settings: dict[str, Any],
    part: str,
    change: Callable[[Any], Tensor | None],
    message: str,
) -> None:
    path = Path(shutil.copytree(checkpoint, tmp_path / "packed"))
    write_packed(path, settings)
    stored = load_file(path / "model.safetensors").get(f"{LAYER}.{part}")
    changed = change(stored)
    edit(path, {f"{LAYER}.{part}": None if changed is None else changed.contiguous()})
    assert_refused(path, message)


def test_scales_for_other_groups_are_named(checkpoint: Path, tmp_path: Path) -> None:
    """Which would stretch every scale over inputs that it was not made for."""
    path = Path(shutil.copytree(checkpoint, tmp_path / "packed"))
    write_packed(path, AWQ)
    configure(path, group_size=64)
    assert_refused(path, r"proj.scales of float16 \[\d, \d+\], which does not fit its layer$")


def test_a_group_size_that_could_be_another_is_none() -> None:
    sizes = {"bits": 4, "group_size": 40, "dynamic": {"+:.*up_proj": {"group_size": 48}}}
    reader = READERS["awq"]("packed", sizes)
    assert reader.group_size(64, 2) is None
    assert reader.group_size(96, 2) == 48
    assert reader.group_size(32, 1) in (40, 48)


def test_zero_points_of_0_by_other_writers_are_refused() -> None:
    """Even those of the layout that GPTQModel writes, which can't be told from spoilt ones."""
    stored = load_file(PUBLISHED)
    for meta in ({}, {"quantizer": ["optimum:1.23"]}, {"quantizer": "gptqmodel:0.8.1"}):
        reader = READERS["gptq"]("packed", {"bits": 4, "meta": meta})
        with pytest.raises(ModelError, match=r"layer\.qzeros with a zero point of 0, which the f"):
            dict(reader.weights({f"layer.{p}": stored[f"gptqmodel_v1.{p}"] for p in PARTS}))


def test_groups_are_runs_where_they_are_not_stored(checkpoint: Path, tmp_path: Path) -> None:
    path, plain = both(checkpoint, tmp_path, GPTQ)
    names = load_file(path / "model.safetensors")
    edit(path, {name: None for name in names if name.endswith(".g_idx")})
    assert_same(load_model(str(path), device="cpu"), load_model(str(plain), device="cpu"))
    configure(path, group_size=48)
    assert_refused(path, r"lacks \S*proj.g_idx$")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("2.up_proj.qweight", None, r"lacks \S*experts.2.up_proj.weight$"),
        ("3.down_proj.qweight", None, r"lacks \S*experts.3.down_proj.weight$"),
        ("1.gate_proj.qweight", 32, r"experts.1.gate_proj.weight of another shape than \S*s.0.g"),
    ],
)
def test_an_expert_that_lacks_is_named(
    moe_checkpoint: Path, tmp_path: Path, name: str, change: int | None, message: str
) -> None:
    path = Path(shutil.copytree(moe_checkpoint, tmp_path / "packed"))
    write_packed(path, AWQ)
    layer = f"model.language_model.layers.0.mlp.experts.{name.removesuffix('.qweight')}"
    stored = load_file(path / "model.safetensors")
    parts = {
        f"{layer}.{part}": stored[f"{layer}.{part}"] for part in ("qweight", "qzeros", "scales")
    }
    if change is None:
        edit(path, dict.fromkeys(parts))
    else:
        edit(path, {n: t[:, : t.shape[1] // 2].contiguous() for n, t in parts.items()})
    assert_refused(path, message)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({**AWQ, "version": "gemv"}, r"by awq in the format 'gemv' with 4 bits, which is not"),
        ({**AWQ, "backend": "llm-awq"}, r"'llm-awq' with 4 bits.* in the format gemm with 4 bits$"),
        ({**AWQ, "bits": 8}, r"format 'gemm' with 8 bits, which is not supported: choose"),
        ({**GPTQ, "checkpoint_format": "marlin"}, r"'marlin' with 4 bits.*gptq or gptq_v2 with 2"),
        ({**GPTQ, "is_marlin_format": True}, r"in the format 'marlin' with 4 bits"),
        ({**GPTQ, "bits": 5}, r"'gptq' with 5 bits, .* with 2 or 3 or 4 or 8 bits$"),
        ({"quant_method": "gptq"}, r"in the format 'gptq' with unsaid bits, which is not"),
        ({**GPTQ, "dynamic": {"+:.*": {"bits": 6}}}, r"'gptq' with 4 or 6 bits, which is not"),
        ({**GPTQ, "rotation": "hadamard"}, r"are rotated, which needs rotations between its l"),
        ({**GPTQ, "bits": "many"}, r"can't load the weights of .*: invalid literal for int"),
        ({**GPTQ, "dynamic": ["x"]}, r"can't load the weights of .*: dictionary update"),
        ({**AWQ, "group_size": 0}, r"proj.scales of float16 .*, which does not fit its layer$"),
    ],
)
def test_what_is_not_supported_is_one_sentence(
    checkpoint: Path, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    path = Path(shutil.copytree(checkpoint, tmp_path / "packed"))
    write_packed(path, AWQ if settings["quant_method"] == "awq" else GPTQ)
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, "quantization_config": settings}))
    assert_refused(path, message)


def assert_refused(path: Path, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        load_model(str(path), device="cpu")
    assert "\n" not in str(caught.value)
