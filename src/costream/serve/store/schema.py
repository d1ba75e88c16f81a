"""The tables of the store."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
    select,
)

from costream.errors import SettingsError

VERSION = 1
"""Of the tables below. A store of a newer version is refused."""

_METADATA = MetaData()
_NAME = String(64)
_OWNER = String(160)
_ULID = String(26)
_BIG = BigInteger().with_variant(Integer, "sqlite")
_MOMENT = Float(53)

META = Table(
    "costream_meta",
    _METADATA,
    Column("name", _NAME, primary_key=True),
    Column("value", Integer, nullable=False),
)

EVENTS = Table(
    "costream_events",
    _METADATA,
    Column("id", _ULID, primary_key=True),
    Column("camera", _NAME, nullable=False),
    Column("question", _NAME, nullable=False),
    Column("ask", Text, nullable=False),
    Column("zone", _NAME),
    Column("started", _MOMENT, nullable=False),
    Column("ended", _MOMENT),
    Column("score", _MOMENT, nullable=False),
    Column("threshold", _MOMENT, nullable=False),
    Column("sentence", Text),
    Column("still", Boolean, nullable=False),
    Column("clip", Boolean, nullable=False),
    Column("interrupted", Boolean, nullable=False),
    Column("last", _MOMENT, nullable=False),
    Column("cooldown", _MOMENT, nullable=False),
    Column("announced", Boolean, nullable=False),
    Column("closed", Boolean, nullable=False),
    Index("costream_events_camera", "camera", "id"),
    Index("costream_events_closed", "closed", "id"),
)

SCORES = Table(
    "costream_scores",
    _METADATA,
    Column("event", _ULID, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("points", LargeBinary, nullable=False),
)

MEDIA = Table(
    "costream_media",
    _METADATA,
    Column("event", _ULID, primary_key=True),
    Column("kind", String(8), primary_key=True),
    Column("path", Text, nullable=False),
    Column("bytes", _BIG, nullable=False),
)

# Numbers are never given twice: a dispatcher asks for what comes after the last one it delivered.
OUTBOX = Table(
    "costream_outbox",
    _METADATA,
    Column("number", _BIG, primary_key=True, autoincrement=True),
    Column("sink", _NAME, nullable=False),
    Column("event", _ULID, nullable=False),
    Column("change", String(8), nullable=False),
    Column("at", _MOMENT, nullable=False),
    Column("payload", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due", _MOMENT, nullable=False),
    UniqueConstraint("sink", "event", "change", "at", name="costream_outbox_message"),
    Index("costream_outbox_sink", "sink", "number"),
    Index("costream_outbox_event", "event"),
    sqlite_autoincrement=True,
)

OVERLAY = Table(
    "costream_overlay",
    _METADATA,
    Column("name", _NAME, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("document", Text, nullable=False),
)

# A cluster's: which process watches a camera, and which of these processes are there.
PLACEMENTS = Table(
    "costream_placements",
    _METADATA,
    Column("camera", _NAME, primary_key=True),
    Column("owner", _OWNER, nullable=False),
    Column("fence", _BIG, nullable=False),
    Column("seen", _MOMENT),
    Column("rising", Text, nullable=False),
    Index("costream_placements_owner", "owner"),
)

LEASES = Table(
    "costream_leases",
    _METADATA,
    Column("owner", _OWNER, primary_key=True),
    Column("node", _OWNER, nullable=False),
    Column("expires", _MOMENT, nullable=False),
)

DRAINED = Table("costream_drained", _METADATA, Column("node", _OWNER, primary_key=True))


def prepare(engine: Engine, name: str) -> None:
    """Makes the tables that are missing.

    Args:
        engine: of the database.
        name: the database's, for messages.

    Raises:
        SettingsError: a newer CoStream wrote the database.
    """
    with engine.begin() as connection:
        META.create(connection, checkfirst=True)
        _check(connection, name)
        _METADATA.create_all(connection)


def _check(connection: Connection, name: str) -> None:
    version = connection.scalar(select(META.c.value).where(META.c.name == "schema"))
    if version is None:
        connection.execute(insert(META).values(name="schema", value=VERSION))
    elif version > VERSION:
        raise SettingsError(
            f"{name} was written by a newer CoStream (its tables have version {version}, this one "
            f"knows {VERSION}): update CoStream, or name another database in store.url"
        )
