"""What the service logs: a line of text each, or of JSON."""

from __future__ import annotations

import json
import logging
import time

from costream.printable import printable


class TextFormatter(logging.Formatter):
    """Time, level and message, on one line but for a traceback."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        return printable(super().formatMessage(record))


class JsonFormatter(TextFormatter):
    """An object each: ``time``, ``level``, ``logger``, ``message``, and the record's ``fields``."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def log_to_stderr(*, as_json: bool, level: int = logging.INFO) -> None:
    """Has everything that the service logs written to standard error.

    Args:
        as_json: an object a line, for programs.
        level: what is written at least.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    logging.basicConfig(handlers=[handler], level=level, force=True)
    # Commands that end with their work have warnings written by a handler of that logger.
    logging.getLogger("costream").handlers.clear()
    # Every request of ours to others would be a line, with the URL's secrets in it.
    logging.getLogger("httpx").setLevel(logging.WARNING)
