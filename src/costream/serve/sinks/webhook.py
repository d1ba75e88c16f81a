"""Posts events to a URL."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time

import httpx
from pydantic import SecretStr

import costream
from costream.errors import DeliveryError, RejectedError, SettingsError
from costream.serve.config.model import WebhookConfig
from costream.serve.config.sink_check import is_web
from costream.serve.events.event import EventMessage
from costream.serve.sinks.base import Sink
from costream.serve.sinks.refusals import Refusals, delivery_key

SIGNATURE = "X-CoStream-Signature"
"""``t=SECONDS,v1=HEX``: when it was signed, and the signature of ``SECONDS.BODY``."""

_LATER = frozenset({408, 425, 429})
_GONE = 410


class WebhookSink(Sink):
    """Posts each message as JSON, signed where there is a secret.

    A 2xx status takes the message. 410 rejects it. Any other status from 300 to 499 but 408, 425
    and 429 refuses it, and so many refusals in a row reject it (:data:`~.refusals.REFUSALS`).
    Everything else is tried again for as long as it takes, and so is what is not answered within
    the time-out, however slowly an answer trickles in. Redirects are not followed.
    """

    def __init__(self, config: WebhookConfig) -> None:
        url = config.url.get_secret_value()
        self._name = _shown(url)
        self._url = url
        self._secret = config.secret
        self._refusals = Refusals()
        own = {name: value.get_secret_value() for name, value in config.headers.items()}
        self._common = httpx.Headers({"User-Agent": f"costream/{costream.__version__}"})
        self._common.update(own)
        self._timeout = max(config.timeout, 0.001)
        self._trusted = httpx.create_ssl_context()

    def deliver(self, message: EventMessage) -> None:
        body = json.dumps(message.to_dict(), ensure_ascii=False).encode()
        status = self._post(body, self._headers(message, body))
        if 200 <= status < 300:
            return
        said = f"{self._name} answered with status {status}"
        if status == _GONE:
            raise RejectedError(f"{said}: it wants no such messages any more")
        if 300 <= status < 500 and status not in _LATER:
            raise self._refusals.refuse(message, said)
        raise DeliveryError(said)

    def _headers(self, message: EventMessage, body: bytes) -> httpx.Headers:
        headers = self._common.copy()
        headers["Content-Type"] = "application/json"
        headers["Idempotency-Key"] = delivery_key(message)
        if self._secret is not None:
            headers[SIGNATURE] = sign(self._secret, body, int(time.time()))
        return headers

    def _post(self, body: bytes, headers: httpx.Headers) -> int:
        # httpx times each step alone, and a head may come in very many: a loop times the whole.
        try:
            return asyncio.run(self._in_time(body, headers))
        except (httpx.TimeoutException, asyncio.TimeoutError):
            raise DeliveryError(f"{self._name} did not answer in time") from None
        except httpx.TransportError as error:
            raise DeliveryError(f"{self._name} can't be reached ({type(error).__name__})") from None

    async def _in_time(self, body: bytes, headers: httpx.Headers) -> int:
        return await asyncio.wait_for(self._answer(body, headers), self._timeout)

    async def _answer(self, body: bytes, headers: httpx.Headers) -> int:
        async with (
            httpx.AsyncClient(verify=self._trusted, timeout=self._timeout) as client,
            # The answer's body is of no use, and might have no end.
            client.stream("POST", self._url, content=body, headers=headers) as answer,
        ):
            return answer.status_code


def sign(secret: SecretStr, body: bytes, at: int) -> str:
    """Returns the signature header of a body that is sent at a moment, seconds since 1970."""
    signed = str(at).encode() + b"." + body
    digest = hmac.new(secret.get_secret_value().encode(), signed, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def _shown(url: str) -> str:
    """Returns a URL without what may be secret in it, which is all but the host."""
    if not is_web(url):
        raise SettingsError(
            "a webhook's url is no http or https URL: write it as https://host/path"
        )
    parsed = httpx.URL(url)
    return str(httpx.URL(scheme=parsed.scheme, host=parsed.host, port=parsed.port, path="/***"))
