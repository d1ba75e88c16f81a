"""A model's configuration says what its weights take and what its passes cost."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from costream.errors import ModelError
from costream.models import (
    SIZES,
    EncoderMemory,
    ModelAdapter,
    Timestamp,
    load_model,
    write_untrained,
)
from costream.models.outline import Outline, load_outline
from tests.fakes import noise_pictures
from tests.models.common import job_of, whole
from tests.models.real import published_files
from tests.models.test_quantised import WIDE, write_bitsandbytes

TESTED = [name for name in SIZES if "test" in name]

PUBLISHED = {
    # The first two were counted by hand; the third is what its published weight files add up to.
    "Qwen3-VL-4B-Instruct": 2 * 4_437_815_808,
    "Qwen2.5-VL-3B-Instruct": 2 * 3_754_622_976,
    "Qwen3-VL-30B-A3B-Thinking": 62_141_508_064,
}

NOT_NEEDED = ("model.safetensors", "tokenizer.json", "tokenizer_config.json")


@pytest.fixture(scope="module", params=TESTED)
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ModelAdapter, Outline]:
    """A loaded model, and its outline from a directory without weights and tokenizer."""
    path = write_untrained(tmp_path_factory.mktemp("family"), request.param)
    loaded = load_model(str(path), device="cpu")
    for name in NOT_NEEDED:
        (path / name).unlink()
    return loaded, load_outline(str(path), torch.float32)


def test_weights_take_what_they_take_when_they_are_loaded(
    both: tuple[ModelAdapter, Outline],
) -> None:
    loaded, outline = both
    taken = sum(w.numel() * w.element_size() for w in loaded.model.parameters())
    assert outline.weight_bytes == taken
    assert outline.model.parameters == loaded.parameters
    assert {w.device.type for w in outline.model.model.parameters()} == {"meta"}


def test_passes_cost_what_they_cost_when_it_is_loaded(both: tuple[ModelAdapter, Outline]) -> None:
    loaded, outline = both
    assert outline.model.text_flops(7, 19, 2) == loaded.text_flops(7, 19, 2)
    assert outline.model.vision_flops([12, 4], [16, 16]) == loaded.vision_flops([12, 4], [16, 16])
    assert outline.model.geometry(640, 360, 8, None) == loaded.geometry(640, 360, 8, None)


def test_the_encoder_remembers_what_its_shape_says(both: tuple[ModelAdapter, Outline]) -> None:
    loaded, outline = both
    geometry = loaded.geometry(640, 360, 8, None)
    memory = EncoderMemory()
    job = job_of(loaded, noise_pictures(1), whole(geometry), geometry, memory)
    (visual,) = loaded.encode([job])
    # And a byte a place: whether it is known.
    shape = outline.model.memory_shape(geometry)
    assert shape.numbers * 4 + shape.places == memory.bytes
    assert (outline.model.kv_shape.deepstack, outline.model.kv_shape.hidden) == (
        len(visual.deepstack),
        visual.embeds.shape[1],
    )


def test_a_stand_in_for_the_tokenizer_counts_what_it_would(
    both: tuple[ModelAdapter, Outline],
) -> None:
    loaded, outline = both
    assert not outline.counted
    geometry = loaded.geometry(640, 360, 8, None)
    none = torch.zeros(geometry.grid.groups, dtype=torch.bool)
    for timestamp in (
        Timestamp(0, 0.5, 1.0),
        Timestamp(98, 98.5, 1.0),
        Timestamp(1234, 1234.5, 1.0),
    ):
        ours, theirs = (m.frame(timestamp, none, geometry) for m in (outline.model, loaded))
        assert len(theirs) - 4 <= len(ours) <= len(theirs)
        assert ours.span - len(ours) == theirs.span - len(theirs)
    assert len(outline.model.prompt()) == len(loaded.prompt())


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_configurations_alone_are_enough(tmp_path: Path, name: str) -> None:
    for file in ("config.json", "preprocessor_config.json"):
        shutil.copyfile(published_files(name) / file, tmp_path / file)
    outline = load_outline(str(tmp_path), torch.bfloat16)
    assert outline.weight_bytes == PUBLISHED[name]
    assert outline.quantised is None


def test_a_stand_in_counts_like_the_published_vocabulary(tmp_path: Path) -> None:
    name = "Qwen3-VL-4B-Instruct"
    for folder in (published_files(name), published_files("qwen-vocabulary")):
        shutil.copytree(folder, tmp_path, dirs_exist_ok=True, copy_function=shutil.copyfile)
    tmp_path.chmod(0o755)
    real, stand_in = (
        load_outline(str(path), torch.bfloat16) for path in (tmp_path, published_files(name))
    )
    assert (real.counted, stand_in.counted) == (True, False)
    geometry = real.model.geometry(640, 360, 8, None)
    none = torch.zeros(geometry.grid.groups, dtype=torch.bool)
    for seconds, tokens in ((1.5, 8), (12.3, 9), (2258.5, 11)):
        timestamp = Timestamp(0, seconds, 1.0)
        lengths = {len(m.model.frame(timestamp, none, geometry)) for m in (real, stand_in)}
        assert lengths == {tokens}
    asks = [len(m.model.question("Is someone fighting?")) for m in (real, stand_in)]
    assert asks[0] <= asks[1] <= asks[0] + 4


def test_fp8_weights_take_what_they_are_dequantised_to(tmp_path: Path) -> None:
    name = "Qwen3-VL-30B-A3B-Thinking"
    shutil.copyfile(published_files(name) / "config_fp8.json", tmp_path / "config.json")
    other = "preprocessor_config.json"
    shutil.copyfile(published_files(name) / other, tmp_path / other)
    outline = load_outline(str(tmp_path), torch.bfloat16)
    assert (outline.quantised, outline.weight_bytes) == ("fp8", PUBLISHED[name])


@pytest.mark.skipif(not find_spec("bitsandbytes"), reason="bitsandbytes is not installed")
@pytest.mark.parametrize("bits", [4, 8])
def test_packed_weights_take_what_they_are_packed_to(tmp_path: Path, bits: int) -> None:
    checkpoint = write_untrained(tmp_path / "plain", WIDE["dense"])
    write_bitsandbytes(checkpoint, tmp_path / "packed", bits)
    loaded = load_model(str(tmp_path / "packed"), device="cpu")
    taken = sum(weight.nbytes for weight in loaded.model.parameters())
    for part in loaded.model.modules():
        weight = getattr(part, "weight", None)
        if bits == 4 and getattr(weight, "quant_state", None) is not None:
            # The scales, which a CPU keeps in half of what a GPU does.
            taken += 4 * weight.quant_state.absmax.numel()
        elif bits == 8 and hasattr(weight, "SCB"):
            taken += (weight.SCB if weight.SCB is not None else part.state.SCB).nbytes
    outline = load_outline(str(tmp_path / "packed"), torch.float32)
    assert outline.weight_bytes == taken
    assert outline.quantised == "bitsandbytes"


def test_what_is_missing_is_told_of_the_user_s_directory(checkpoint: Path, tmp_path: Path) -> None:
    shutil.copyfile(checkpoint / "config.json", tmp_path / "config.json")
    with pytest.raises(ModelError, match=f"checkpoint '{tmp_path}' has no video_preprocessor_con"):
        load_outline(str(tmp_path), torch.float32)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_tokenizer_s_settings_that_can_t_be_read_are_told(
    checkpoint: Path, tmp_path: Path, text: str
) -> None:
    for name in ("config.json", "video_preprocessor_config.json"):
        shutil.copyfile(checkpoint / name, tmp_path / name)
    (tmp_path / "tokenizer_config.json").write_text(text)
    with pytest.raises(ModelError, match=r"tokenizer_config\.json of .* can't be used"):
        load_outline(str(tmp_path), torch.float32)


def test_the_context_that_a_tokenizer_states_counts(tmp_path: Path) -> None:
    """Qwen2.5-VL's windows are bounded by it, and one published configuration says 8192."""
    path = write_untrained(tmp_path, "qwen2.5-test")
    config = json.loads((path / "config.json").read_text())
    config["text_config"]["max_position_embeddings"] = 8192
    (path / "config.json").write_text(json.dumps(config))
    for name in NOT_NEEDED:
        (path / name).unlink()
    outline = load_outline(str(path), torch.float32)
    assert outline.model.geometry(1920, 1080, 80, None).grid.groups == 720
