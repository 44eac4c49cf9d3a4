"""One WebSocket endpoint: requests matched by id, notifications queued by subscription."""

import asyncio
import itertools
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

import aiohttp
import msgspec

from chains.errors import EndpointUnreachable
from chains.evm.http_wire import Sessions, cause
from chains.evm.jsonrpc import Envelope, Request, answer_of, body
from chains.evm.limits import TransportLimits
from chains.evm.observe import EndpointName

_MAX_MESSAGE: Final = 64 << 20
_QUEUE: Final = 10_000
"""Notifications kept for a slow reader; one that falls behind further loses its connection, not single events."""
_messages = msgspec.json.Decoder(Envelope | list[Envelope])


class Notification(msgspec.Struct):
    """Parameters of eth_subscription."""

    subscription: str
    result: msgspec.Raw


_notification = msgspec.json.Decoder(Notification)


class Feed(asyncio.Queue[msgspec.Raw | None]):
    """Results of one subscription; None is its end."""

    closed = False
    """Nobody reads it any more: what the node still sends is let go."""


class WsWire:
    """Link over one WebSocket that is opened again when it is needed and gone."""

    def __init__(self, name: EndpointName, url: str, sessions: Sessions, limits: TransportLimits) -> None:
        self._name = name
        self._url = url
        self._sessions = sessions
        self._limits = limits
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._gate = asyncio.Lock()
        self._generation = 0
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Envelope]] = {}
        self._feeds: dict[str, Feed] = {}

    async def ready(self) -> int:
        """Open the socket where it is gone; changes with every new one."""
        async with self._gate:
            if self._socket is None or self._socket.closed or self._reader is None or self._reader.done():
                await self._open()
        return self._generation

    async def send(self, requests: Sequence[Request]) -> list[object]:
        """One message per request, answers by id. A socket that is gone is not opened here: see ``ready``."""
        socket = self._socket
        if socket is None or socket.closed:
            raise EndpointUnreachable(f"{self._name}: the connection was lost")
        loop = asyncio.get_running_loop()
        asked = {next(self._ids): loop.create_future() for _ in requests}
        self._waiting |= asked
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                await _unbroken(_write(socket, zip(asked, requests, strict=True)))
                found = await asyncio.gather(*asked.values())
        except TimeoutError:
            raise EndpointUnreachable(f"{self._name}: no answer in {self._limits.timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise EndpointUnreachable(f"{self._name}: {cause(error)}") from None
        finally:
            for ident in asked:
                self._waiting.pop(ident, None)
        return [answer_of(f"{self._name}", envelope) for envelope in found]

    def feed(self, subscription: str) -> Feed:
        """Queue of a subscription's results; what came before this call is in it."""
        queue = self._feeds.setdefault(subscription, Feed(_QUEUE))
        if self._reader is None or self._reader.done():
            _end(queue)
        return queue

    async def close(self) -> None:
        """Close the socket; safe to call twice."""
        reader, self._reader = self._reader, None
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()
        if reader is not None:
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader

    async def _open(self) -> None:
        await self.close()
        limits = self._limits
        try:
            async with asyncio.timeout(limits.connect_timeout_s):
                self._socket = await self._sessions.open().ws_connect(
                    self._url, max_msg_size=_MAX_MESSAGE, heartbeat=limits.timeout_s
                )
        except TimeoutError:
            raise EndpointUnreachable(f"{self._name}: no connection in {limits.connect_timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise EndpointUnreachable(f"{self._name}: {cause(error)}") from None
        self._generation += 1
        self._reader = asyncio.create_task(self._read(self._socket))

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        try:
            async for message in socket:
                if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                    self._take(message.data)
        except (msgspec.DecodeError, UnicodeDecodeError, asyncio.QueueFull, aiohttp.ClientError, OSError):
            pass  # whoever waits is told below
        finally:
            self._lost()
            await socket.close()

    def _take(self, content: bytes | str) -> None:
        found = _messages.decode(content)
        for item in found if isinstance(found, list) else [found]:
            if item.method == "eth_subscription":
                note = _notification.decode(item.params)
                feed = self._feeds.setdefault(note.subscription, Feed(_QUEUE))
                if not feed.closed:
                    feed.put_nowait(note.result)
            elif isinstance(item.id, int) and (future := self._waiting.get(item.id)) and not future.done():
                future.set_result(item)

    def _lost(self) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(EndpointUnreachable(f"{self._name}: the connection was lost"))
        for queue in self._feeds.values():
            _end(queue)
        self._feeds.clear()


async def _write(socket: aiohttp.ClientWebSocketResponse, messages: Iterable[tuple[int, Request]]) -> None:
    for ident, request in messages:
        await socket.send_str(msgspec.json.encode(body(ident, request)).decode())


async def _unbroken(work: Coroutine[Any, Any, None]) -> None:
    """Wait for work that goes on when this task is cancelled.

    While a socket is full all its writers wait for one future of aiohttp's: cancelling one would cancel them all.
    """
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.shield(task)


def _end(queue: Feed) -> None:
    """Tell the reader that nothing more comes; the last place of a full queue is its."""
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(None)
