"""Chat templates, thoughts and control tokens, of kinds that no published checkpoint here has."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from transformers import AddedToken, AutoTokenizer, PreTrainedTokenizerBase

from costream.errors import ModelError
from costream.models import load_model
from costream.models.chat import ChatFormat
from costream.models.tokens import QUESTION, Tokens

ASKED = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.role == 'user' -%}
<|vision_start|><|video_pad|><|vision_end|>{{ message.content[1].text }}
{%- else %}{{ ANSWER }}{{ message.content[0].text }}{% endif %}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{{ BEGIN }}{%- endif -%}"""


@pytest.fixture
def tokenizer(checkpoint: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(checkpoint)


def chat(tokenizer: PreTrainedTokenizerBase, begin: str, answer: str = "''") -> ChatFormat:
    """The format of a template that begins an answer so, and shows an earlier answer so."""
    tokenizer.chat_template = ASKED.replace("BEGIN", begin).replace("ANSWER", answer)
    return ChatFormat.of(tokenizer, "<|video_pad|>")


def begins(found: ChatFormat) -> str:
    return found.after.rpartition("assistant\n")[2]


@pytest.mark.parametrize("tag", ["think", "thinking", "seed:think"])
def test_a_thought_is_closed_as_the_template_closes_an_empty_one(
    tokenizer: PreTrainedTokenizerBase, tag: str
) -> None:
    found = chat(tokenizer, f"'<{tag}>\\n'", f"'<{tag}>\\n</{tag}>\\n'")
    assert begins(found) == f"<{tag}>\n</{tag}>\n"
    assert found.thought == f"<{tag}>"


def test_a_model_that_thinks_where_it_may_is_told_not_to(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    """The hybrid models of Qwen3: the template writes the empty thought where it is asked to."""
    empty = "'<think>\\n\\n</think>\\n\\n' if enable_thinking is false else ''"
    found = chat(tokenizer, empty)
    assert begins(found) == "<think>\n\n</think>\n\n"
    assert found.thought == "<think>"


def test_a_thought_that_is_closed_already_is_left_alone(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    found = chat(tokenizer, "'<think></think>'")
    assert (begins(found), found.thought) == ("<think></think>", None)


def test_a_thought_that_can_t_be_closed_is_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(ModelError, match=r"begins a thought, <think>, and does not say how .*:"):
        chat(tokenizer, "'<think>'")


def test_a_template_s_own_refusal_is_one_sentence(tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(ModelError, match=r"chat template can't be used: no videos here$"):
        chat(tokenizer, "raise_exception('no\\nvideos here')")


KINDS = [
    AddedToken("<|stop|>", special=True),
    AddedToken("<point>", special=False, normalized=False),
    AddedToken("[MASK]", special=True, lstrip=True, rstrip=True),
    AddedToken("camera", special=False, normalized=True),
    AddedToken("<|word|>", special=True, single_word=True),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.content)
def test_added_tokens_of_every_kind_are_text_in_a_question(
    checkpoint: Path, tmp_path: Path, kind: AddedToken
) -> None:
    path = Path(shutil.copytree(checkpoint, tmp_path / "copy"))
    tokenizer = AutoTokenizer.from_pretrained(path)
    (tokenizer.add_special_tokens if kind.special else tokenizer.add_tokens)(
        {"additional_special_tokens": [kind]} if kind.special else [kind]
    )
    text, tokens = f"Is {kind.content} {kind.content}?", Tokens(tokenizer)
    added = set(tokenizer.get_added_vocab().values())
    assert added & set(tokenizer.encode(text))
    assert tokenizer.decode(tokens.encode(QUESTION, text)) == text
    assert not added & set(tokens.encode(QUESTION, text))
    # In a text of ours it is what it stands for, as the tokenizer itself finds it.
    ours = f"a {kind.content} b{kind.content} c"
    assert tokens.encode(ours) == tokenizer.encode(ours)


def test_a_word_that_was_added_is_written(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.add_tokens([AddedToken("forklift", special=False)])
    tokenizer.add_tokens([AddedToken("<point>", special=False)])
    words = tokenizer.encode("Yes forklift<point><|im_end|>", add_special_tokens=False)
    assert Tokens(tokenizer).decode(words) == "Yes forklift"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"eos_token_id": ["<|im_start|>", "No"]}, {"<|im_start|>", "No"}),
        ({"eos_token_id": "No"}, {"No"}),
        ({}, {"<|im_end|>", "<|endoftext|>"}),
        ({"eos_token_id": "No", "_from_model_config": True}, {"No", "<|im_end|>", "<|endoftext|>"}),
        (None, {"<|im_end|>", "<|endoftext|>"}),
    ],
)
def test_answers_end_with_the_tokens_of_the_generation_settings(
    checkpoint: Path,
    tmp_path: Path,
    tokenizer: PreTrainedTokenizerBase,
    values: dict[str, object] | None,
    expected: set[str],
) -> None:
    path = Path(shutil.copytree(checkpoint, tmp_path / "copy"))
    file = path / "generation_config.json"
    if values is None:
        file.unlink()
    else:
        said = values.get("eos_token_id")
        ids = tokenizer.convert_tokens_to_ids(said) if said else None
        file.write_text(json.dumps({**values, **({"eos_token_id": ids} if ids else {})}))
    ends = load_model(str(path), device="cpu").eos_ids
    assert ends == set(tokenizer.convert_tokens_to_ids(sorted(expected)))
