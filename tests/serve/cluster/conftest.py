"""Stores of both kinds, and their placement tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from costream.serve.cluster.table import PlacementTable
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


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> StoreConfig:
    """A database that is empty, by its URL."""
    if request.param == "sqlite":
        return StoreConfig(url=SecretStr(f"sqlite:///{tmp_path / 'store.sqlite'}"))
    server: PostgresServer = request.getfixturevalue("postgres")
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return StoreConfig(url=SecretStr(server.url))


@pytest.fixture
def store(database: StoreConfig, tmp_path: Path) -> Iterator[Store]:
    """The store of a front end."""
    opened = Store.open(database, tmp_path / "front")
    yield opened
    opened.close()


@pytest.fixture
def table(store: Store) -> PlacementTable:
    return PlacementTable(store.engine, lease=0.6)
