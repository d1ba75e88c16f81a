"""What every process of a cluster is told when it begins."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url

import costream
from costream.errors import SettingsError
from costream.serve.config.model import EngineConfig, ServerConfig, ServiceConfig, StoreConfig
from costream.serve.store.database import FILE
from costream.settings import EngineSettings

ONE_MACHINE = (
    "the store is a file of SQLite, which nodes on other machines can't reach: set store.url to a "
    "PostgreSQL database"
)


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """What of a service's configuration nodes go by. It can be pickled, and holds secrets.

    Attributes:
        model: the model's name.
        engine: where it runs.
        settings: the engine's.
        store: the database, by a URL that holds wherever a node is.
        server: which URLs may come by the API; nothing else of it.
        timezone: of schedules.
        version: of CoStream.
    """

    model: str
    engine: EngineConfig
    settings: EngineSettings
    store: StoreConfig
    server: ServerConfig
    timezone: str | None
    version: str = costream.__version__

    @classmethod
    def of(cls, config: ServiceConfig, settings: EngineSettings) -> ClusterSpec:
        """Returns it for a service."""
        database = Path(config.data).resolve() / FILE
        own = URL.create("sqlite", database=str(database)).render_as_string(hide_password=False)
        url = own if config.store.url is None else config.store.url.get_secret_value()
        reach = {n: getattr(config.server, n) for n in ("camera_schemes", "camera_networks")}
        return cls(
            model=config.model,
            engine=config.engine,
            settings=settings,
            store=StoreConfig.model_validate({**config.store.model_dump(), "url": url}),
            server=ServerConfig(**reach),
            timezone=config.timezone,
        )

    @property
    def is_of_one_machine(self) -> bool:
        """Whether its database can be reached from the machine alone that the service runs on."""
        url = self.store.url
        return url is None or make_url(url.get_secret_value()).get_backend_name() == "sqlite"

    @property
    def fingerprint(self) -> str:
        """What tells it from any other: processes of another one are of no use to it."""
        url = "" if self.store.url is None else self.store.url.get_secret_value()
        text = repr((self.model, self.engine, self.settings, url, self.server, self.timezone))
        return hashlib.sha256(f"{self.version}\n{text}".encode()).hexdigest()[:12]

    def check_machines(self, machines: int) -> None:
        """Refuses a database that not all machines reach.

        Args:
            machines: on how many there are nodes.

        Raises:
            SettingsError: there are several, and the database is a file.
        """
        if machines > 1 and self.is_of_one_machine:
            raise SettingsError(ONE_MACHINE)
