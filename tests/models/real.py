"""Checkpoints of the published configuration, tokenizer and template files, with random weights.

Kept as published: token numbers, vocabulary, templates, preprocessing, generation settings, head
widths, rotary sections, patch sizes. Made smaller, for want of memory and time: depth, hidden
widths, the number of heads and of experts.

With ``wide``, hidden widths, heads, MLPs and mergers are as published too, and only these are
smaller: the depth of the text model (2 layers) and of the vision encoder (2 layers, or 3 where it
has DeepStack levels, of which the two text layers take two), the layers that DeepStack or full
attention are at, and the number of experts (16 instead of 128, of which 8 answer as published).
Weights are then bfloat16 on disk. InternVL, whose published files here hold no configuration, has
the sizes of InternVL3-2B.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForImageTextToText

SHARED = Path(__file__).parents[3] / "shared" / "checkpoints"

TEXT = {
    "num_hidden_layers": 2,
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
VISION = {"depth": 3, "hidden_size": 256, "intermediate_size": 384, "num_heads": 4}
EXPERTS = {"num_experts": 8, "moe_intermediate_size": 128}
WIDE_TEXT = {"num_hidden_layers": 2}
INTERNVL3_2B = {
    "num_hidden_layers": 2,
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
}
INTERN_VIT_300M = {"hidden_size": 1024, "num_attention_heads": 16, "intermediate_size": 4096}


def published_files(name: str) -> Path:
    """Returns the folder of a published checkpoint's small files, or skips the test."""
    if not (SHARED / name).is_dir():
        pytest.skip(f"the small files of real checkpoints are not there: {SHARED / name}")
    return SHARED / name


def qwen3_vl(path: Path, name: str = "Qwen3-VL-4B-Instruct", *, wide: bool = False) -> Path:
    """Writes a Qwen3-VL, dense or of experts: its name decides."""
    config = _copy(name, path)
    text, vision = config["text_config"], config["vision_config"]
    experts = "num_experts" in text
    if wide:
        text |= WIDE_TEXT | ({"num_experts": 16} if experts else {})
        vision |= {"depth": 3, "deepstack_visual_indexes": [0, 1, 2]}
    else:
        text |= TEXT | (EXPERTS if experts else {})
        vision |= {
            **VISION,
            "out_hidden_size": TEXT["hidden_size"],
            "deepstack_visual_indexes": [0, 1],
        }
    return _write_weights(path, config, wide)


def qwen2_5_vl(path: Path, name: str = "Qwen2.5-VL-3B-Instruct", *, wide: bool = False) -> Path:
    """Writes a Qwen2.5-VL, whose configuration is of the older form without a ``text_config``."""
    config = _copy(name, path)
    if wide:
        config |= WIDE_TEXT
        config["vision_config"] |= {"depth": 2, "fullatt_block_indexes": [1]}
    else:
        # The width of a head is not said there: it is the hidden width's share.
        config |= TEXT | {"num_attention_heads": 2, "num_key_value_heads": 1}
        config["vision_config"] |= {
            **VISION,
            "out_hidden_size": TEXT["hidden_size"],
            "fullatt_block_indexes": [1],
        }
    return _write_weights(path, config, wide)


def internvl(path: Path, *, wide: bool = False) -> Path:
    """Writes an InternVL3 of the ``-hf`` layout around the published tokenizer."""
    _copy("InternVL3-tokenizer", path)
    config = json.loads((path / "tokenizer_config.json").read_text())
    # What the conversion to that layout adds: a token for videos, and the names of four tokens.
    config["added_tokens_decoder"]["151674"] = {
        **config["added_tokens_decoder"]["151667"],
        "content": "<video>",
    }
    config["extra_special_tokens"] = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    (path / "tokenizer_config.json").write_text(json.dumps(config))
    for name in ("added_tokens.json", "special_tokens_map.json"):
        (path / name).unlink()
    video = {"size": {"height": 448, "width": 448}, "resample": 3}
    image = json.loads((path / "preprocessor_config.json").read_text())
    video |= {name: image[name] for name in ("image_mean", "image_std")}
    (path / "video_preprocessor_config.json").write_text(json.dumps(video))
    (path / "chat_template.jinja").write_text(INTERNVL_TEMPLATE)
    text = {"model_type": "qwen2", "vocab_size": 151680, "max_position_embeddings": 32768}
    rope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e6}
    small_vision = {"hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 256}
    vision = {
        "image_size": [448, 448],
        "patch_size": [14, 14],
        "num_hidden_layers": 2,
        "attention_bias": True,
        **(INTERN_VIT_300M if wide else small_vision),
    }
    return _write_weights(
        path,
        {
            "model_type": "internvl",
            "architectures": ["InternVLForConditionalGeneration"],
            "image_token_id": 151667,
            "text_config": {
                **text,
                **(INTERNVL3_2B if wide else TEXT),
                "rope_parameters": rope,
                "eos_token_id": 151645,
            },
            "vision_config": vision,
            "tie_word_embeddings": True,
        },
        wide,
    )


INTERNVL_TEMPLATE = """\
{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n'}}\
{% if message['content'] is string %}{{ message['content'] }}{% else %}\
{% for content in message['content'] %}\
{% if content['type'] == 'image' %}{{ '<IMG_CONTEXT>\\n' }}\
{% elif content['type'] == 'video' %}{{ '<video>\\n' }}\
{% elif content['type'] == 'text' %}{{ content['text'] }}{% endif %}{% endfor %}{% endif %}\
{{'<|im_end|>\\n'}}{% endfor %}\
{% if add_generation_prompt %}{{'<|im_start|>assistant\\n' }}{% endif %}"""


def _copy(name: str, path: Path) -> dict[str, Any]:
    """Copies a checkpoint's small files and the vocabulary; returns its configuration."""
    for folder in (published_files(name), published_files("qwen-vocabulary")):
        shutil.copytree(folder, path, dirs_exist_ok=True, copy_function=shutil.copyfile)
    path.chmod(0o755)
    config = path / "config.json"
    values: dict[str, Any] = json.loads(config.read_text()) if config.exists() else {}
    return values


def _write_weights(path: Path, values: dict[str, Any], wide: bool) -> Path:
    """Draws weights for a configuration, beside its small files as they were published."""
    (path / "config.json").write_text(json.dumps(values))
    generation = path / "generation_config.json"
    kept = generation.read_text()
    config = AutoConfig.from_pretrained(path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _model(config, torch.bfloat16 if wide else torch.float32).save_pretrained(path)
    # Saving rewrites both in the form of this library's version.
    (path / "config.json").write_text(json.dumps(values))
    generation.write_text(kept)
    return path


def _model(config: Any, dtype: torch.dtype) -> Any:
    """Fills a model from a few million random numbers: the class takes far longer to draw its own.

    The pool's length is a prime, so no two rows of a matrix begin at the same place of it.
    """
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config, dtype=dtype)
    model.to_empty(device="cpu").tie_weights()
    pool = torch.randn(4_999_999).mul_(0.02).to(dtype)
    for name, weights in model.named_parameters():
        begin = int(torch.randint(len(pool), ()))
        turned, flat = torch.cat([pool[begin:], pool[:begin]]), weights.data.view(-1)
        for part in flat.split(len(pool)):
            part.copy_(turned[: len(part)])
        if weights.dim() == 1 and not name.endswith("bias"):
            flat += 1  # A norm's, or the scale of a layer.
    return model
