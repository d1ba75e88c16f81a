"""``costream serve``: the live service."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from costream.cli.app import app
from costream.cli.check import check_extra
from costream.cli.options import settings_for
from costream.errors import CoStreamError, SettingsError

if TYPE_CHECKING:
    from costream.serve.config.model import ServiceConfig
    from costream.serve.service import Service
    from costream.serve.systemd import Notifier
    from costream.serve.watchdog import Watchdog
    from costream.settings import EngineSettings


logger = logging.getLogger("costream")


@app.command()
def serve(
    file: Annotated[
        Path | None,
        typer.Argument(help="The configuration, such as cameras.yaml.", show_default=False),
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Watch four cameras of a synthetic world; no file.")
    ] = False,
    host: Annotated[
        str | None, typer.Option("--host", help="Address to listen on, instead of the file's.")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="Port, instead of the file's.")
    ] = None,
    log_json: Annotated[
        bool, typer.Option("--log-json", help="Log an object of JSON a line.")
    ] = False,
) -> None:
    """Watch cameras for good: a page, an API, events with clips, and alerts.

    The file is read again on SIGHUP, or by the API. costream check tells what is wrong with it.
    """
    check_extra()
    if demo == (file is not None):
        raise SettingsError("say what to watch: either a file, such as cameras.yaml, or --demo")
    from costream.serve.logs import log_to_stderr

    log_to_stderr(as_json=log_json)
    config = _demo() if file is None else _read(file)
    given = {"host": host, "port": port}
    chosen = {name: value for name, value in given.items() if value is not None}
    config = config.model_copy(update={"server": config.server.model_copy(update=chosen)})
    settings = settings_for(config.model, config.engine.settings)
    _run(config, settings, file)


def _demo() -> ServiceConfig:
    from costream.serve.demo import demo_config

    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return demo_config(cache / "costream" / "demo")


def _read(file: Path) -> ServiceConfig:
    from costream.serve.config.load import load_config

    return load_config(file)


def _run(config: ServiceConfig, settings: EngineSettings, file: Path | None) -> None:
    """Runs the service until a signal ends it."""
    from costream.cli.loading import load_engine
    from costream.serve.api.app import create_app
    from costream.serve.api.chat import chat_router
    from costream.serve.api.server import check_server, serve
    from costream.serve.service import Service
    from costream.serve.systemd import Notifier
    from costream.serve.watchdog import Watchdog

    check_server(config.server)
    stop = threading.Event()
    failures: list[Exception] = []

    def fail(error: Exception) -> None:
        failures.append(error)
        stop.set()

    engine = config.engine
    load = partial(
        load_engine,
        config.model,
        settings,
        engine.device,
        engine.dtype,
        kv_memory=engine.kv_memory,
    )
    service = Service(config, settings, load, file=file, on_failure=fail)
    notifier = Notifier()
    watchdog = Watchdog(notifier, lambda: service.is_alive)
    with _signals(service, notifier, stop):
        service.start()
        try:
            serve(
                create_app(service, config.server, routers=[chat_router(service)]),
                config.server,
                partial(_ready, service, notifier, watchdog, demo=file is None),
                stop,
            )
        finally:
            notifier.stopping()
            watchdog.stop()
            service.stop()
    if failures:
        raise failures[0]


def _ready(
    service: Service, notifier: Notifier, watchdog: Watchdog, url: str, *, demo: bool
) -> None:
    notifier.ready()
    watchdog.start()
    count = len(service.cameras())
    cameras = f"{count} camera{'' if count == 1 else 's'}"
    logger.info("open %s; %s is being loaded, to watch %s", url, service.model, cameras)
    token = service.config().server.token
    if demo and token is not None:
        # Of no use to anybody else: this run's alone, and the service listens on this machine.
        logger.info("to change anything, log in with the token %s", token.get_secret_value())


@contextmanager
def _signals(service: Service, notifier: Notifier, stop: threading.Event) -> Iterator[None]:
    """Has SIGTERM and SIGINT end the service, and SIGHUP read its file again."""

    def end(number: int, frame: object) -> None:
        stop.set()

    def again(number: int, frame: object) -> None:
        threading.Thread(target=_reload, args=(service, notifier), name="costream-reload").start()

    actions = {signal.SIGTERM: end, signal.SIGINT: end, signal.SIGHUP: again}
    before = {number: signal.signal(number, action) for number, action in actions.items()}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)


def _reload(service: Service, notifier: Notifier) -> None:
    notifier.reloading()
    try:
        for sentence in service.reload():
            logger.info("%s", sentence)
    except CoStreamError as error:
        logger.error("the configuration stays as it was: %s", error)
    except Exception as error:  # whatever it is, the service goes on
        logger.error("the configuration could not be read again", exc_info=error)
    finally:
        notifier.ready()
