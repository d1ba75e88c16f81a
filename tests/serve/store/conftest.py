"""Stores of both kinds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from costream.serve.config.model import StoreConfig
from costream.serve.store.store import Store
from tests.serve.postgres import PostgresServer


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.start()
    yield server
    server.stop()
    server.remove()


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(StoreConfig(), tmp_path / "data")
    yield store
    store.close()


@pytest.fixture
def postgres_store(tmp_path: Path, postgres: PostgresServer) -> Iterator[Store]:
    store = Store.open(StoreConfig(url=SecretStr(postgres.url)), tmp_path / "data")
    yield store
    store.close()
    _empty(postgres.url)


@pytest.fixture(params=["sqlite_store", "postgres_store"])
def store(request: pytest.FixtureRequest) -> Store:
    """Each kind of store in turn."""
    opened: Store = request.getfixturevalue(request.param)
    return opened


def _empty(url: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        for table in ("meta", "events", "scores", "media", "outbox", "overlay"):
            connection.execute(f"DROP TABLE IF EXISTS costream_{table}")
