"""Reads the configuration file: what is right of it, or everything that is wrong with it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from costream.errors import ConfigError, SettingsError
from costream.serve.config import problem
from costream.serve.config.anatomy import without_empty
from costream.serve.config.camera_check import is_file_url
from costream.serve.config.crosscheck import service_flaws, watched_warnings
from costream.serve.config.document import Document, read_document, read_secret
from costream.serve.config.model import CameraConfig, ServerConfig, ServiceConfig
from costream.serve.config.nodes import Unreadable
from costream.serve.config.problem import Problem, dotted
from costream.serve.config.server_check import token_flaw
from costream.serve.config.validation import fitting, flaws
from costream.video.naming import path_of, plain_reason

MOST_BYTES = 1024 * 1024
"""A file of a thousand cameras takes half of it."""

logger = logging.getLogger("costream")


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of a file.

    Attributes:
        config: its configuration, or None where there are problems.
        problems: what keeps it from being used, by line.
        warnings: what is odd, by line.
    """

    config: ServiceConfig | None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def load_config(
    path: str | os.PathLike[str], environment: Mapping[str, str] | None = None
) -> ServiceConfig:
    """Reads a configuration file and logs what is odd about it.

    Relative names of files in it begin at its folder; tokens are read from their files.

    Args:
        path: the file.
        environment: what ``${NAME}`` stands for; by default the process's environment.

    Raises:
        ConfigError: it can't be used; it names all problems.
    """
    reading = read_config(path, environment)
    for warning in reading.warnings:
        logger.warning("%s", warning.text(str(path)))
    if reading.config is None:
        raise ConfigError(*(found.text(str(path)) for found in reading.problems))
    return reading.config


def read_config(
    path: str | os.PathLike[str], environment: Mapping[str, str] | None = None
) -> Reading:
    """Reads a configuration file, whatever it holds; the arguments are those of `load_config`."""
    file = Path(path)
    try:
        text = _text(file)
        document = read_document(
            text, file.absolute().parent, os.environ if environment is None else environment
        )
    except Unreadable as error:
        return Reading(None, (error.problem,))
    return _checked(document, file.absolute().parent)


def _text(file: Path) -> str:
    """Returns a file's text.

    Raises:
        Unreadable: there is none of a sensible size.
    """
    data = b""
    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise Unreadable(0, "it is larger than 1 MiB, which no configuration is")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unreadable(line, "this is not UTF-8: save the file in that encoding") from None
    except (OSError, ValueError) as error:
        raise Unreadable(0, f"it can't be read: {plain_reason(error)}") from None


def _checked(document: Document, folder: Path) -> Reading:
    document.value = without_empty(ServiceConfig, document.value)
    found = list(flaws(ServiceConfig, document.value, document.hidden))
    config = fitting(ServiceConfig, document.value, document.flawed | {path for path, _ in found})
    if config is not None:
        config = _placed(config, folder)
        found += _token_flaws(config.server)
        config = _with_token(config)
        found += service_flaws(config, document.value)
    for path, message in found:
        if path not in document.flawed:
            document.add(path, _discreet(message, path, document))
    if config is None or document.problems:
        return Reading(None, tuple(sorted(document.problems)))
    return Reading(config, warnings=_warnings(config, document))


def _discreet(message: str, path: problem.Path, document: Document) -> str:
    """Returns a message without what the environment or a file put in at its place."""
    if path not in document.hidden:
        return message
    value: Any = document.value
    for name in path:
        value = value[name]
    text = str(value)
    return message.replace(repr(text), "this").replace(text, "this") if text else message


def _warnings(config: ServiceConfig, document: Document) -> tuple[Problem, ...]:
    odd = [*watched_warnings(config), *_absent_files(config)]
    found = (
        Problem(document.line(path), dotted(path), _discreet(text, path, document))
        for path, text in odd
    )
    return tuple(sorted(found))


def _absent_files(config: ServiceConfig) -> Iterator[tuple[problem.Path, str]]:
    """Yields the cameras that are files which aren't there: they may come, as a folder's mount."""
    for name, camera in config.cameras.items():
        if is_file_url(camera.url) and not path_of(camera.url).exists():
            yield ("cameras", name, "url"), _absent(camera.url)


def _absent(path: str) -> str:
    """Says that there is no file, without a password if it is an address without its scheme."""
    if ":" in path and "@" in path:
        return "there is no such file: a camera's address begins with a scheme, such as rtsp://"
    return f"there is no file {path}"


def _token_flaws(server: ServerConfig) -> Iterator[tuple[problem.Path, str]]:
    if server.token_file is None:
        return
    path = ("server", "token_file")
    if server.token is not None:
        yield path, "there is a token as well: keep one of them"
    try:
        if flaw := token_flaw(read_secret(Path(server.token_file)).strip()):
            yield path, f"of the token in {server.token_file}: {flaw}"
    except SettingsError as error:
        yield path, str(error)


def _with_token(config: ServiceConfig) -> ServiceConfig:
    server = config.server
    if server.token_file is None or server.token is not None:
        return config
    try:
        token = SecretStr(read_secret(Path(server.token_file)).strip())
    except SettingsError:  # told by _token_flaws
        return config
    return config.model_copy(update={"server": server.model_copy(update={"token": token})})


def _placed(config: ServiceConfig, folder: Path) -> ServiceConfig:
    """Returns a configuration whose names of files begin at the root."""
    server = {
        name: str(folder / value)
        for name in ("token_file", "tls_certificate", "tls_key")
        if (value := getattr(config.server, name)) is not None
    }
    return config.model_copy(
        update={
            "data": str(folder / config.data),
            "server": config.server.model_copy(update=server),
            "cameras": {name: _camera_placed(c, folder) for name, c in config.cameras.items()},
        }
    )


def _camera_placed(camera: CameraConfig, folder: Path) -> CameraConfig:
    changes = {}
    if is_file_url(camera.url):
        changes["url"] = str(folder / path_of(camera.url))
    if camera.credentials_file is not None:
        changes["credentials_file"] = str(folder / camera.credentials_file)
    return camera.model_copy(update=changes)
