"""One attempt at one receiver. Errors become outcomes; no outcome holds an address or a secret."""

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self

import aiohttp
from aiohttp.abc import AbstractResolver

from aggregator.delivery.guard import PrivateAddress, connector, is_public
from aggregator.delivery.message import Message, Outcome
from aggregator.delivery.settings import WebhookSettings
from aggregator.delivery.signing import signed_headers
from aggregator.delivery.words import words

REFUSED = "private address: set allow_private for this receiver if that is meant"
GONE = 410


class Sender(Protocol):
    """Sends to one receiver; a context, so that its connections end."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def send(self, message: Message, at: datetime) -> Outcome:
        """Try once, within the receiver's timeout."""
        ...


def sender_of(settings: WebhookSettings, resolver: AbstractResolver | None = None) -> Sender:
    """The sender of a receiver's kind."""
    return AppriseSender(settings) if settings.kind == "apprise" else WebhookSender(settings, resolver)


class WebhookSender:
    """Signed JSON by POST. Redirects are not followed: they fail."""

    def __init__(self, settings: WebhookSettings, resolver: AbstractResolver | None = None) -> None:
        self._settings = settings
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        guarded = connector(allow_private=self._settings.allow_private, resolver=self._resolver)
        self._session = aiohttp.ClientSession(connector=guarded, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, message: Message, at: datetime) -> Outcome:
        """POST the body with its signatures."""
        if self._session is None:
            raise RuntimeError("a sender is used as a context: `async with sender`")
        settings = self._settings
        headers = signed_headers(message.id, message.body, at, settings.keys(at))
        timeout = aiohttp.ClientTimeout(total=settings.timeout_s)
        try:
            async with self._session.post(
                settings.url.get_secret_value(),
                data=message.body.encode(),
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                return _outcome(response.status, response.headers.get("Retry-After"))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as failure:
            return Outcome(delivered=False, detail=_class_of(failure))


def _outcome(status: int, retry_after: str | None) -> Outcome:
    asked = float(retry_after) if retry_after is not None and retry_after.isdecimal() else None
    return Outcome(200 <= status < 300, f"HTTP {status}", gone=status == GONE, retry_after_s=asked)


def _class_of(failure: Exception) -> str:
    """Class of an error; its text may hold the address."""
    inner = failure.os_error if isinstance(failure, aiohttp.ClientConnectorError) else failure
    if isinstance(inner, PrivateAddress):
        return REFUSED
    return "timeout" if isinstance(failure, TimeoutError) else type(failure).__name__


class AppriseSender:
    """Words by apprise, in a thread of its own: its plug-ins block, and a stuck one must hold up nobody."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings
        self._stuck = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def send(self, message: Message, at: datetime) -> Outcome:
        """Tell the message in words."""
        settings = self._settings
        if self._stuck >= settings.concurrency:
            return Outcome(delivered=False, detail="earlier attempts are stuck")
        url, private = settings.url.get_secret_value(), settings.allow_private
        self._stuck += 1
        try:
            async with asyncio.timeout(settings.timeout_s):
                detail = await _in_thread(lambda: tell(url, message.body, allow_private=private), self._unstuck)
        except TimeoutError:
            detail = "timeout"
        return Outcome(delivered=not detail, detail=detail or "told")

    def _unstuck(self) -> None:
        self._stuck -= 1


async def _in_thread(job: Callable[[], str], ended: Callable[[], None]) -> str:
    """Result of a blocking job in a daemon thread: one that never ends holds up neither a pool nor the exit."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def settle(text: str) -> None:
        ended()
        if not answer.done():
            answer.set_result(text)

    def run() -> None:
        try:
            text = job()
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
            text = type(error).__name__
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, text)

    threading.Thread(target=run, name="apprise", daemon=True).start()
    return await answer


def understood(url: str) -> bool:
    """Whether apprise knows what an address means. Nothing is sent."""
    return _service(url) is not None


def tell(url: str, body: str, *, allow_private: bool) -> str:
    """Send by apprise, blocking; "" when the service took it, else why not."""
    from apprise import NotifyType

    service = _service(url)
    if service is None:
        return "not an address that apprise understands"
    if not allow_private and not _reaches_public(service):
        return REFUSED
    title, text, severity = words(body)
    taken = service.notify(title=title, body=text, notify_type=NotifyType(severity))
    return "" if taken else "the service did not take it"


def _service(url: str) -> Any:
    """The service of an address, None where apprise knows none."""
    import apprise

    logger = logging.getLogger("apprise")  # its lines hold addresses, and so do those of the HTTP client below it
    logger.propagate, logger.disabled = False, True
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    asset = apprise.AppriseAsset(secure_logging=True)
    asset.http_redirects = False
    return apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)


def _reaches_public(service: Any) -> bool:
    """Whether a service's host has public addresses only; one of a fixed address (Telegram ...) names none."""
    if "host" not in type(service).template_tokens or not service.host:
        return True
    host = str(service.host)
    try:
        found = socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return True  # no address of ours is reached by a name that does not resolve
    return all(is_public(str(item[4][0])) for item in found)
