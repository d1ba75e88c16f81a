"""The configuration that holds: the file's, with what the API changed, which the store keeps."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from costream.serve.config.difference import changed, parts_changed, sinks_changed, told
from costream.serve.config.load import load_config
from costream.serve.config.model import ServiceConfig
from costream.serve.config.overlay import NOTHING, Overlay
from costream.serve.config.resolve import resolve
from costream.serve.config.watched import WatchedCamera
from costream.serve.store.store import Store

Made = TypeVar("Made")

Change = Callable[[ServiceConfig, Overlay], Overlay]
"""Makes a changed overlay of a file's configuration and the overlay that there is."""


class Configured:
    """What is watched now. Any thread may use it; one change is made at a time.

    Args:
        config: what the file says.
        store: keeps what the API changes.
        file: the file, to be read again; None where the configuration is no file's.
        on_change: told of what is watched after every change, in order.

    Raises:
        SettingsError: what the store keeps was written by another version.
        StoreError: the store can't be read.
    """

    def __init__(
        self,
        config: ServiceConfig,
        store: Store,
        file: Path | None,
        on_change: Callable[[tuple[WatchedCamera, ...]], None],
    ) -> None:
        self._store = store
        self._file = file
        self._on_change = on_change
        self._lock = threading.Lock()
        self._version, document = store.overlay()
        kept = NOTHING if document is None else Overlay.read(json.dumps(document))
        self.file_config = config
        self.overlay, self.left_out = kept.fitted(config)
        """What the API changed; in sentences, what of it does not fit the file any more."""
        self.cameras = resolve(config, self.overlay)

    @property
    def config(self) -> ServiceConfig:
        """The file's configuration with the changes."""
        return self.overlay.applied_to(self.file_config)

    def change(self, make: Change) -> None:
        """Changes what is watched, and keeps that.

        Raises:
            CoStreamError: it can't be changed so, or not be kept; nothing is changed then.
        """
        with self._lock:
            overlay = make(self.file_config, self.overlay)
            document = json.loads(overlay.write())
            self._version = self._store.set_overlay(document, self._version)
            self._take(self.file_config, overlay)

    def reload(
        self, make: Callable[[ServiceConfig, Sequence[str]], Made]
    ) -> tuple[list[str], Made]:
        """Reads the file again.

        Args:
            make: makes what is needed of the new file, given the names of the sinks that changed,
                before anything is taken of it.

        Returns:
            In sentences what changed, and what was made.

        Raises:
            CoStreamError: the file can't be used; all stays as it was.
        """
        with self._lock:
            if self._file is None:
                return ["there is no file to read again"], make(self.file_config, ())
            config = load_config(self._file)
            before, was = self.cameras, self.file_config
            overlay, left_out = self.overlay.fitted(config)
            sinks = sinks_changed(was, config)
            made = make(config, sinks)
            self._take(config, overlay)
            difference = changed(before, self.cameras)
            sentences = [*told(difference, sinks, parts_changed(was, config)), *left_out]
        return sentences or ["nothing changed"], made

    def _take(self, config: ServiceConfig, overlay: Overlay) -> None:
        cameras = resolve(config, overlay)
        self.file_config, self.overlay, self.cameras = config, overlay, cameras
        self._on_change(cameras)
