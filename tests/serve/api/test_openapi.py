"""What the API says of itself is true, and whatever is sent to it brings no error of the server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import httpx
import hypothesis
import pytest
import schemathesis
from schemathesis import Case
from schemathesis.specs.openapi.checks import (
    ignored_auth,
    negative_data_rejection,
    positive_data_acceptance,
)

from costream.serve.api.app import create_app
from costream.serve.backend import Backend
from tests.serve.api.conftest import BEARER, config, served
from tests.serve.fakes import FakeBackend

DOCS = Path(__file__).parents[3] / "docs" / "api.md"

DESCRIPTION = create_app(cast(Backend, object()), config(), page=None).openapi()
"""It is the same whatever the service watches."""

EXCLUDED = [positive_data_acceptance, negative_data_rejection, ignored_auth]
"""Checks that fail where we know better than a schema, or understand ``"yes"`` and ``"90s"``; and
one that tries wrong tokens, of which there may be ten in a minute."""

schema = schemathesis.openapi.from_dict(DESCRIPTION).exclude(
    path=["/api/stream", "/api/cameras/{id}/push"]
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> Iterator[str]:
    backend = FakeBackend(tmp_path_factory.mktemp("fuzzed"), events=12, clip=clip)
    with served(backend, config()) as url:
        yield url


@schema.parametrize()
@hypothesis.settings(
    max_examples=6,
    derandomize=True,
    suppress_health_check=list(hypothesis.HealthCheck),
    phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
)
def test_whatever_is_sent_is_answered_as_described(case: Case, url: str) -> None:
    case.call_and_validate(base_url=url, headers=BEARER, excluded_checks=EXCLUDED)


def test_every_route_says_what_it_is_for() -> None:
    for operations in DESCRIPTION["paths"].values():
        for operation in operations.values():
            assert operation["summary"]
            assert operation["description"]
            assert operation["tags"]


def test_what_changes_something_needs_the_token() -> None:
    assert DESCRIPTION["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for path, operations in DESCRIPTION["paths"].items():
        for method, operation in operations.items():
            free = method == "get" or path == "/api/login"
            assert (operation["security"] != [{"token": []}]) == free


def test_what_is_sent_has_an_example() -> None:
    bodies = ("CameraNew", "CameraChange", "Login")
    schemas = DESCRIPTION["components"]["schemas"]
    assert all("example" in str(schemas[name]) for name in bodies)
    put = DESCRIPTION["paths"]["/api/questions/{id}"]["put"]
    assert "example" in str(put["requestBody"])


def test_the_documentation_names_the_routes_that_there_are() -> None:
    documented = set(re.findall(r"^### `([A-Z]+ /\S*)`$", DOCS.read_text(), re.MULTILINE))
    routes = {
        f"{method.upper()} {path}"
        for path, operations in DESCRIPTION["paths"].items()
        for method in operations
    }
    assert documented == routes


def test_the_documentation_names_the_metrics_that_there_are(url: str) -> None:
    documented = set(re.findall(r"^\| `(costream_\w+)", DOCS.read_text(), re.MULTILINE))
    metrics = set(re.findall(r"^# TYPE (costream_\w+)", httpx.get(f"{url}/metrics").text, re.M))
    # Counters have a companion that says when they were created.
    assert documented == {name for name in metrics if not name.endswith("_created")}
