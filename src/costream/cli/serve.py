"""``costream serve``: the live service."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from costream.cli.app import app
from costream.cli.check import check_extra
from costream.cli.options import settings_for
from costream.errors import CoStreamError, SettingsError

if TYPE_CHECKING:
    from fastapi import APIRouter

    from costream.serve.config.model import ServiceConfig
    from costream.serve.front_end import FrontEnd
    from costream.serve.systemd import Notifier
    from costream.serve.watchdog import Watchdog
    from costream.settings import EngineSettings

DEFAULTS = {"confirm": True}
"""Settings of the engine where neither the file nor the model says otherwise: here a yes wakes
somebody."""

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
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            metavar="ADDRESS",
            help="Have the nodes of a cluster of Ray's watch, such as 10.0.0.1:6379; auto for the "
            "one that this machine is part of.",
        ),
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
    if cluster is not None:
        check_ray()
    from costream.serve.logs import log_to_stderr

    log_to_stderr(as_json=log_json)
    config = _demo() if file is None else _read(file)
    given = {"host": host, "port": port}
    chosen = {name: value for name, value in given.items() if value is not None}
    config = config.model_copy(update={"server": config.server.model_copy(update=chosen)})
    settings = settings_for(config.model, config.engine.settings, DEFAULTS)
    _run(config, settings, file, cluster)


def check_ray() -> None:
    """Ends the command where what a cluster needs is not installed.

    Raises:
        SettingsError: it is not.
    """
    if find_spec("ray") is None:
        raise SettingsError("a cluster needs Ray and more: pip install 'costream[cluster]'")


def _demo() -> ServiceConfig:
    from costream.serve.demo import demo_config

    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return demo_config(cache / "costream" / "demo")


def _read(file: Path) -> ServiceConfig:
    from costream.serve.config.load import load_config

    return load_config(file)


def _run(
    config: ServiceConfig, settings: EngineSettings, file: Path | None, cluster: str | None
) -> None:
    """Runs the service until a signal ends it."""
    from costream.serve.api.app import create_app
    from costream.serve.api.server import check_server, serve
    from costream.serve.systemd import Notifier
    from costream.serve.watchdog import Watchdog

    check_server(config.server)
    stop = threading.Event()
    failures: list[Exception] = []

    def fail(error: Exception) -> None:
        failures.append(error)
        stop.set()

    if cluster is None:
        service, routers = _on_this_machine(config, settings, file, fail)
    else:
        service, routers = _on_a_cluster(config, settings, file, cluster)
    notifier = Notifier()
    watchdog = Watchdog(notifier, lambda: service.is_alive)
    with _signals(service, notifier, stop):
        service.start()
        try:
            serve(
                create_app(service, config.server, routers=routers),
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


def _on_this_machine(
    config: ServiceConfig,
    settings: EngineSettings,
    file: Path | None,
    on_failure: Callable[[Exception], None],
) -> tuple[FrontEnd, list[APIRouter]]:
    """Returns the service that watches by itself, and its further routes."""
    from costream.cli.loading import load_engine
    from costream.serve.api.chat import chat_router
    from costream.serve.api.chat_sent import SentVideos
    from costream.serve.service import Service

    engine = config.engine
    load = partial(
        load_engine,
        config.model,
        settings,
        engine.device,
        engine.dtype,
        kv_memory=engine.kv_memory,
    )
    service = Service(config, settings, load, file=file, on_failure=on_failure)
    return service, [chat_router(service, SentVideos(service))]


def _on_a_cluster(
    config: ServiceConfig, settings: EngineSettings, file: Path | None, address: str
) -> tuple[FrontEnd, list[APIRouter]]:
    """Returns the service that has nodes watch, and its further routes."""
    from costream.serve.api.chat import chat_router
    from costream.serve.cluster.link import Link
    from costream.serve.cluster.routes import nodes_router
    from costream.serve.cluster.service import ClusterService

    service = ClusterService(config, settings, Link(address), file=file)
    return service, [nodes_router(service), chat_router(service, None)]


def _ready(
    service: FrontEnd, notifier: Notifier, watchdog: Watchdog, url: str, *, demo: bool
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
def _signals(service: FrontEnd, notifier: Notifier, stop: threading.Event) -> Iterator[None]:
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


def _reload(service: FrontEnd, notifier: Notifier) -> None:
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
