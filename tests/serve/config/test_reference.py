"""The documents that are generated are fresh, and say what holds."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs
import pytest
from scripts.configuration_docs import DOCS, documents

from costream.serve.config.document import read_document
from costream.serve.config.load import read_config
from costream.serve.config.reference import PARTS, meanings
from costream.serve.config.resolve import resolve


@pytest.fixture(scope="module")
def validator() -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(json.loads((DOCS / "cameras.schema.json").read_text()))


@pytest.mark.parametrize("name", ["cameras.schema.json", "configuration.md"])
def test_generated_documents_are_fresh(name: str) -> None:
    fresh = documents()[DOCS / name]
    told = "run python scripts/configuration_docs.py"
    assert (DOCS / name).read_text(encoding="utf-8") == fresh, told


def test_every_field_says_what_it_means() -> None:
    for part in PARTS:
        assert all(len(meaning) > 8 for meaning in meanings(part).values()), part


def test_the_example_is_right_and_odd_in_nothing() -> None:
    reading = read_config(DOCS / "cameras.example.yaml", {})
    assert reading.problems == () and reading.warnings == ()
    assert reading.config is not None
    watched = {camera.id: camera for camera in resolve(reading.config)}
    assert [question.id for question in watched["yard"].questions] == ["gate-open", "intruder"]
    assert [question.id for question in watched["door"].questions] == ["fire", "fallen", "intruder"]
    assert watched["lab"].paused


def test_the_schema_takes_the_example(validator: jsonschema_rs.Validator) -> None:
    text = (DOCS / "cameras.example.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=cameras.schema.json\n")
    validator.validate(read_document(text, Path(), {}).value)


@pytest.mark.parametrize(
    ("value", "right"),
    [
        ({}, True),
        ({"x-anchors": 1}, True),
        ({"cameras": None, "alerts": None, "server": {"hosts": None, "port": None}}, True),
        ({"cameras": {"a": None}}, False),
        ({"camera": {}}, False),
        ({"cameras": {"a": {"url": "push", "timeout": "5m"}}}, True),
        ({"cameras": {"a": {"url": "push", "timeout": "5 minutes"}}}, False),
        ({"cameras": {"a": {"url": "push", "transport": "tpc"}}}, False),
        ({"cameras": {"a": {"url": "push", "questions": ["q"]}}}, True),
        ({"cameras": {"a": {"url": "push", "questions": {"q": {"zone": None}}}}}, True),
        ({"cameras": {"a": {}}}, False),
        ({"store": {"max_media": "20GiB"}}, True),
        ({"sinks": {"a": {"type": "mqtt", "host": "x"}}}, True),
        ({"sinks": {"a": {"type": "mqtt"}}}, False),
        ({"alerts": {"for": 5}}, True),
        ({"alerts": {"for_": 5}}, False),
    ],
)
def test_the_schema_knows_right_from_wrong(
    validator: jsonschema_rs.Validator, value: object, right: bool
) -> None:
    assert validator.is_valid(value) is right
