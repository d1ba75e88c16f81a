"""Reads an upload from a multipart form as it comes, without keeping it in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from costream.serve.api.chat_errors import ApiError

_FIELD = 4096
"""Bytes of a field that is no file."""

_FIELDS = 16


class UploadForm:
    """A form with one file, the field ``file``, and some short fields.

    Args:
        content_type: of the request.
        write: takes the file's bytes.

    Attributes:
        filename: of the file; None until it begins.
        fields: the others.

    Raises:
        ApiError: it is no multipart form.
    """

    def __init__(self, content_type: str, write: Callable[[bytes], None]) -> None:
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or b"boundary" not in options:
            raise ApiError(400, "send the file as multipart/form-data, in the field 'file'")
        self.filename: str | None = None
        self.fields: dict[str, str] = {}
        self._write = write
        self._header, self._value = b"", b""
        self._disposition = b""
        self._field: str | None = None
        self._data = b""
        self._whole = False
        callbacks: Any = {
            "on_part_begin": self._begin,
            "on_header_field": self._on_header,
            "on_header_value": self._on_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._name,
            "on_part_data": self._on_data,
            "on_part_end": self._end,
            "on_end": self._complete,
        }
        self._parser = MultipartParser(options[b"boundary"], callbacks)

    def feed(self, chunk: bytes) -> None:
        """Takes the next bytes of the request.

        Raises:
            ApiError: they are no form, or not such a one.
        """
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise ApiError(400, "the form is broken") from error

    def finish(self) -> None:
        """Checks that it is complete.

        Raises:
            ApiError: it is not.
        """
        if not self._whole:
            raise ApiError(400, "the form ends in the middle")
        if self.filename is None:
            raise ApiError(400, "the form has no file: send it in the field 'file'", param="file")

    def _complete(self) -> None:
        self._whole = True

    def _begin(self) -> None:
        self._disposition, self._field, self._data = b"", None, b""

    def _on_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = b"", b""

    def _name(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode(errors="replace")
        if name == "file" and b"filename" in options:
            if self.filename is not None:
                raise ApiError(400, "the form has two files: send one", param="file")
            self.filename = options[b"filename"].decode(errors="replace")
        elif len(self.fields) < _FIELDS:
            self._field = name
        else:
            raise ApiError(400, "the form has too many fields")

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._field is None:
            self._write(data[start:end])
            return
        self._data += data[start:end]
        if len(self._data) > _FIELD:
            raise ApiError(400, "a field of the form is too long", param=self._field)

    def _end(self) -> None:
        if self._field is not None:
            self.fields[self._field] = self._data.decode(errors="replace")
