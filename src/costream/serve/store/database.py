"""Connections to the database of events: SQLite, or whatever SQLAlchemy reaches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from costream.errors import SettingsError
from costream.printable import printable
from costream.serve.config.model import StoreConfig

FILE = "costream.sqlite"
"""The database in the data folder, unless another one is named."""

_BUSY = 10.0
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}

# A server that vanished without a word is noticed within about 15 s, and not after minutes.
_POSTGRESQL = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


def connect(config: StoreConfig, data: Path) -> Engine:
    """Returns the engine of the configured database; nothing is connected yet.

    Raises:
        SettingsError: the URL is none, or its driver isn't installed.
    """
    url = _url(config, data)
    try:
        if url.get_backend_name() == "sqlite":
            return _sqlite(url)
        arguments = dict(_POSTGRESQL) if url.get_driver_name() == "psycopg" else {}
        return sqlalchemy.create_engine(
            url, pool_pre_ping=True, pool_timeout=5, connect_args=arguments
        )
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise SettingsError(
            f"store.url {shown(url)} can't be used ({type(error).__name__}): install the driver "
            "that it names, or name one that is installed, such as postgresql+psycopg"
        ) from None


def shown(url: URL) -> str:
    """Returns a database's URL as it may be shown."""
    return printable(url.set(query={}).render_as_string(hide_password=True))


def reason(error: SQLAlchemyError) -> str:
    """Says on one line what a database said, without statements and their values."""
    said = str(getattr(error, "orig", None) or error).strip()
    return printable(said.splitlines()[0][:200]) if said else type(error).__name__


def writing(connection: Connection) -> Connection:
    """Marks a connection whose transaction writes, before it begins."""
    return connection.execution_options(costream_writes=True)


def _url(config: StoreConfig, data: Path) -> URL:
    if config.url is None:
        return URL.create("sqlite", database=str(data / FILE))
    try:
        url = sqlalchemy.make_url(config.url.get_secret_value())
    except (ArgumentError, ValueError):
        raise SettingsError(
            "store.url is no SQLAlchemy URL: write it as postgresql://user:password@host/database"
        ) from None
    return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))


def _sqlite(url: URL) -> Engine:
    # A writer waits for the lock at its beginning, where SQLite waits, not in mid-transaction,
    # where it doesn't: hence the driver's own transactions are off.
    engine = sqlalchemy.create_engine(url, connect_args={"timeout": _BUSY}, pool_timeout=5)

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("costream_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
