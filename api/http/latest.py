"""The newest report of each portfolio as the bytes that leave, kept until there is a newer one."""

import asyncio
import gzip
import time
from collections import OrderedDict
from dataclasses import dataclass, field

import msgspec
from aiohttp import web
from pydantic import BaseModel

from aggregator.report import MarginReport
from aggregator.reports import CODE_VERSION
from aggregator.store.reports import ReportLog
from aggregator.store.repository import UNKNOWN, Store
from api.http.answer import GZIP_FROM, etag_of
from api.http.deps import DEPS
from api.http.endpoint import Body

RECHECK_S = 0.5
"""Another process may have appended: after this long the store is asked whether there is a newer one."""
STALE_S = 2.0
"""For so long the report that is kept is given while the store is asked."""
MOST = 5_000


@dataclass(slots=True)
class Kept:
    """One portfolio's newest report."""

    seq: int
    body: bytes
    checked_at: float
    etag: str = field(init=False)
    _packed: bytes | None = None
    parsed: MarginReport | None = None
    fields: dict[str, msgspec.Raw] | None = None
    tags: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.etag = etag_of(self.body)

    @property
    def packed(self) -> bytes | None:
        """The body compressed, once somebody takes it so; None where that would not pay."""
        if self._packed is None and len(self.body) >= GZIP_FROM:
            self._packed = gzip.compress(self.body, 5, mtime=0)
        return self._packed

    def part(self, model: type[BaseModel]) -> Body:
        """Some of the report's fields, which are those of a model, put together anew from how they are stored.

        Its ETag needs no look at the bytes: it follows from the report's, the model's name and the code.
        """
        if self.fields is None:
            self.fields = msgspec.json.decode(self.body, type=dict[str, msgspec.Raw])
        content, name = self.fields, model.__name__
        if name not in self.tags:
            self.tags[name] = etag_of(f"{self.etag} {name} {CODE_VERSION}".encode())
        return Body(msgspec.json.encode({field: content[field] for field in model.model_fields}), self.tags[name])

    @property
    def report(self) -> MarginReport:
        """The report, read once."""
        if self.parsed is None:
            self.parsed = MarginReport.model_validate_json(self.body)
        return self.parsed


class Latest:
    """Newest reports by portfolio."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._asking: dict[str, asyncio.Task[Kept | None]] = {}

    def fresh(self, store: Store, name: str) -> Kept | None:
        """The newest report of a portfolio where its reader need not wait for the store; else None."""
        kept = self._kept.get(name)
        if kept is None:
            return None
        if (told := store.newest.pop(name, None)) is not None:
            if told == UNKNOWN:
                kept.checked_at = float("-inf")
            elif told[0] > kept.seq:
                kept = self._keep(store, name, Kept(told[0], told[1].encode(), time.monotonic()))
        age_s = time.monotonic() - kept.checked_at
        if age_s < RECHECK_S:
            return kept
        _ = self._ask(store, name)
        return kept if age_s < STALE_S else None

    async def of(self, request: web.Request, name: str) -> Kept | None:
        """The newest report of a portfolio; None where there is none yet."""
        store = request.app[DEPS].store
        while (found := self.fresh(store, name)) is None:
            store.followed.add(name)
            found = await asyncio.shield(self._ask(store, name))
            if found is None or name not in store.newest:
                return found
        return found

    def _ask(self, store: Store, name: str) -> asyncio.Task[Kept | None]:
        """One question to the store, however many wait for its answer."""
        asking = self._asking.get(name)
        if asking is None or asking.done():
            asking = self._asking[name] = asyncio.create_task(self._look(store, name))
            asking.add_done_callback(lambda done: self._asked(name, done))
        return asking

    def _asked(self, name: str, done: "asyncio.Task[Kept | None]") -> None:
        if self._asking.get(name) is done:
            del self._asking[name]
        if not done.cancelled():
            done.exception()  # whoever waits has it; nobody may be waiting

    async def _look(self, store: Store, name: str) -> Kept | None:
        now, log = time.monotonic(), ReportLog(store)
        kept = self._kept.get(name)
        if kept is None or await log.newest_seq(name) != kept.seq:
            newest = await log.newest(name)
            if newest is None:
                return None
            kept = Kept(*newest, now)
        kept.checked_at = now
        return self._keep(store, name, kept)

    def _keep(self, store: Store, name: str, kept: Kept) -> Kept:
        """The newer one of this report and the one that is kept; it is kept from now on."""
        before = self._kept.get(name)
        if before is not None and before.seq > kept.seq:
            return before
        self._kept[name] = kept
        if len(self._kept) > MOST:
            gone, _ = self._kept.popitem(last=False)
            store.followed.discard(gone)
            store.newest.pop(gone, None)
        return kept


LATEST = web.AppKey("latest", Latest)
