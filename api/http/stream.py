"""``GET /v1/stream``: reports and alerts as server-sent events, resumed from the store by ``Last-Event-ID``.

One follower reads the store for all clients; each client has a queue of bounded length, and one that does not keep
up is told so and dropped: memory does not grow with slow readers. Whether a reader may still read is asked again
and again: a stream does not outlive its key or session.
"""

import asyncio
import json
import logging
import re
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

from aiohttp import web
from pydantic import Field
from sqlalchemy.exc import SQLAlchemyError

from aggregator.alerts import AlertKind
from aggregator.errors import UnknownPortfolio
from aggregator.store.tail import Entry, Place, Tail
from api.errors import Problem
from api.http.answer import HEADERS, Query, query_of
from api.http.caller import CALLER, seen_or_none, visible_names
from api.http.deps import DEPS
from api.http.endpoint import Endpoint, Scope
from api.http.events import ReportEvent
from api.http.identity import IDENTITY

log = logging.getLogger(__name__)

POLL_S, RECHECK_S = 0.1, 1.0
HEARTBEAT_S, STUCK_S = 15.0, 10.0
ALLOWED_S = 5.0
"""How long a reader is believed to be still allowed to read."""
MOST_WAITING = 500
ROOM_S, ROOM_LOOKS = 0.01, 20
"""A reader that does not come to the half of its queue in so many looks is dropped when it is full."""
MOST_CLIENTS = 2_000
MOST_REPLAYED = 5_000
_PLACE = re.compile(r"(\d{1,18})-(\d{1,18})")
_SHORT = tuple(name for name in ReportEvent.model_fields if name != "portfolio")


class StreamQuery(Query):
    """Which events."""

    portfolio: str | None = Field(default=None, max_length=200)
    events: str | None = Field(default=None, max_length=100, pattern=r"^[a-z.]+(,[a-z.]+)*$")
    """Names, separated by commas; all without it."""


@dataclass(slots=True, eq=False)
class Client:
    """One reader."""

    names: frozenset[str]
    events: frozenset[str]
    waiting: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))
    too_slow: bool = False
    ended: str = ""
    """Why the service ends the stream."""

    async def next(self, wait_s: float) -> bytes | None:
        """The next event on the wire; None where none comes for so long."""
        try:
            async with asyncio.timeout(wait_s):
                return await self.waiting.get()
        except TimeoutError:
            return None

    def wants(self, event: str, portfolio: str) -> bool:
        """Whether the event passes the filters."""
        return portfolio in self.names and (not self.events or event in self.events)

    def offer(self, data: bytes) -> None:
        """Queue an event, or give the reader up."""
        try:
            self.waiting.put_nowait(data)
        except asyncio.QueueFull:
            self.too_slow = True


@dataclass(slots=True)
class Hub:
    """The follower of the store and its clients."""

    clients: set[Client] = field(default_factory=set)
    place: Place = field(default_factory=lambda: Place(0, 0))
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def join(self, client: Client, tail: Tail) -> Place:
        """Begin to serve a client; gives the place behind which it is told everything."""
        async with self.lock:
            if self.clients:
                await self._pass_on(tail)
            else:
                self.place = await tail.end()
            self.clients.add(client)
            return self.place

    async def follow(self, app: web.Application) -> None:
        """Pass on what is appended, for ever; a store that fails is asked again."""
        store, waited, seen, failing = app[DEPS].store, 0.0, -1, False
        while True:
            if self.clients and (store.appended != seen or waited >= RECHECK_S):
                seen, waited = store.appended, 0.0
                try:
                    async with self.lock:
                        await self._pass_on(Tail(store))
                    failing = False
                except Exception as error:  # noqa: BLE001 - whatever fails, the readers wait for the next look
                    if not failing:
                        log.warning("streams cannot be fed: %s; will retry", type(error).__name__)
                    failing = True
            await asyncio.sleep(POLL_S)
            waited += POLL_S

    async def _pass_on(self, tail: Tail) -> None:
        """Hand everything behind the place to the clients."""
        while entries := await tail.after(self.place):
            for number, entry in enumerate(entries):
                if number % max(1, MOST_WAITING // 10) == 0:
                    await self._room()
                self.place = entry.place
                for event, data in encoded(entry):
                    for client in self.clients:
                        if client.wants(event, entry.portfolio):
                            client.offer(data)

    async def _room(self) -> None:
        """Let readers take what waits for them, but wait for none for long: a scan appends all reports at once."""
        for _ in range(ROOM_LOOKS):
            if all(client.too_slow or client.waiting.qsize() <= MOST_WAITING // 2 for client in self.clients):
                return
            await asyncio.sleep(ROOM_S)


HUB = web.AppKey("stream_hub", Hub)


async def end_streams(app: web.Application) -> None:
    """The service stops: readers are let go at once, or it would wait for them."""
    for client in app[HUB].clients:
        client.ended = "the service stops: resume when it is there again"
        client.offer(b"")


async def stream_hub(app: web.Application) -> AsyncIterator[None]:
    """The follower runs beside the application."""
    task = asyncio.create_task(app[HUB].follow(app))
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


_ALERTS = {
    AlertKind.WORSE: "breach.opened",
    AlertKind.FIRED: "breach.opened",
    AlertKind.RECOVERED: "breach.cleared",
    AlertKind.CLEARED: "breach.cleared",
    AlertKind.MISSING: "data.missing",
    AlertKind.RESTORED: "data.restored",
}


def encoded(entry: Entry) -> Iterable[tuple[str, bytes]]:
    """(name, bytes on the wire) of the events of an entry; one may be ``data.degraded`` as well."""
    body = json.loads(entry.body)
    if entry.kind == "alert":
        name = _ALERTS[body["type"]]
        yield name, frame(name, entry.place, body)
        return
    short = {"portfolio": entry.portfolio, **{key: body.get(key) for key in _SHORT}}
    yield "margin.updated", frame("margin.updated", entry.place, short)
    if not body["data_quality"]["complete"]:
        yield "data.degraded", frame("data.degraded", entry.place, short)


def frame(event: str, place: Place | None, data: object) -> bytes:
    """One event as it travels."""
    head = f"id: {place}\n" if place is not None else ""
    return f"{head}event: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


async def get_stream(request: web.Request) -> web.StreamResponse:
    """Events of the portfolios that the caller may see, until either side ends it."""
    query, hub, tail = query_of(request, StreamQuery), request.app[HUB], Tail(request.app[DEPS].store)
    resumed = _resumed(request)
    if len(hub.clients) >= MOST_CLIENTS:
        raise Problem(503, "too_many_streams", f"{MOST_CLIENTS} streams are open, which is the most")
    client = Client(_names(request, query), frozenset((query.events or "").split(",")) - {""})
    headers = {
        "Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no",
        "Vary": "Origin", **request[HEADERS],
    }  # fmt: skip
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    try:
        start = await hub.join(client, tail)
        await _write(response, b"retry: 2000\n\n" + frame("hello", start if resumed is None else None, {}))
        if resumed is not None:
            await _replay(response, client, tail, resumed, start)
        await _deliver(response, client, request, query)
    except (TimeoutError, ConnectionError):
        if request.transport is not None:
            request.transport.abort()
    finally:
        hub.clients.discard(client)
    return response


def _resumed(request: web.Request) -> Place | None:
    text = request.headers.get("Last-Event-ID")
    if text is None:
        return None
    found = _PLACE.fullmatch(text)
    if found is None:
        raise Problem(400, "bad_event_id", "Last-Event-ID: expected the id of an event, such as 12-3")
    return Place(int(found[1]), int(found[2]))


async def _replay(response: web.StreamResponse, client: Client, tail: Tail, place: Place, until: Place) -> None:
    """What was missed; a reader that missed too much is told to read the accounts anew."""
    if until.report - place.report > MOST_REPLAYED:
        await _write(response, frame("reset", until, {"reason": f"more than {MOST_REPLAYED} reports were missed"}))
        return
    while entries := await tail.after(place):
        for entry in entries:
            place = entry.place
            if entry.kind == "report" and place.report > until.report:
                continue
            if entry.kind == "alert" and place.alert > until.alert:
                continue
            for event, data in encoded(entry):
                if client.wants(event, entry.portfolio):
                    await _write(response, data)
        if place.report >= until.report and place.alert >= until.alert:
            return


async def _deliver(response: web.StreamResponse, client: Client, request: web.Request, query: StreamQuery) -> None:
    reason, looked = "", time.monotonic()
    written = looked
    while not reason:
        data = await client.next(min(ALLOWED_S, HEARTBEAT_S))
        now = time.monotonic()
        if now - looked >= ALLOWED_S:
            looked, reason = now, await _refused(request, client, query)
        if not reason and (data is not None or now - written >= HEARTBEAT_S):
            await _write(response, data or b": still here\n\n")
            written = now
        reason = reason or client.ended
        if client.too_slow:
            reason = f"{MOST_WAITING} events were waiting: read faster, or filter, and resume"
    await _write(response, frame("dropped", None, {"reason": reason}))


async def _refused(request: web.Request, client: Client, query: StreamQuery) -> str:
    """Why a reader may read no longer; '' where it may, and then what it sees is up to date."""
    try:
        caller = await request.app[IDENTITY].of(request)
        if not caller.may(Scope.READ):
            return "the right to read has ended"
        request[CALLER] = caller
        client.names = _names(request, query)
    except (Problem, UnknownPortfolio) as ended:
        return str(ended)
    except (SQLAlchemyError, OSError) as error:
        return f"whether you may still read cannot be asked now ({type(error).__name__}): resume"
    return ""


def _names(request: web.Request, query: StreamQuery) -> frozenset[str]:
    """Portfolios that a reader is told about."""
    only = seen_or_none(request, query.portfolio)
    return frozenset(visible_names(request) if only is None else (only,))


async def _write(response: web.StreamResponse, data: bytes) -> None:
    """Raises TimeoutError where the reader takes nothing for too long."""
    async with asyncio.timeout(STUCK_S):
        await response.write(data)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/v1/stream", get_stream, Scope.READ, "Reports and alerts as they come (server-sent events)",
             "stream", query=StreamQuery, media="text/event-stream", timeout_s=0),
)  # fmt: skip
