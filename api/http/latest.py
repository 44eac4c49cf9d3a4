"""The newest report of each portfolio as the bytes that leave, kept until there is a newer one."""

import asyncio
import gzip
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web
from pydantic import BaseModel

from aggregator.report import MarginReport
from aggregator.reports import CODE_VERSION
from aggregator.store.reports import ReportLog
from aggregator.store.repository import Store
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
    etag: str
    packed: bytes | None
    appended: int
    checked_at: float
    parsed: MarginReport | None = None
    decoded: dict[str, Any] | None = None
    tags: dict[str, str] = field(default_factory=dict)

    def part(self, model: type[BaseModel]) -> Body:
        """Some of the report's fields, which are those of a model, encoded anew.

        Its ETag needs no look at the bytes: it follows from the report's, the model's name and the code.
        """
        if self.decoded is None:
            self.decoded = msgspec.json.decode(self.body)
        content, name = self.decoded, model.__name__
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
        if kept is None or kept.appended != store.appended:
            return None
        age_s = time.monotonic() - kept.checked_at
        if age_s < RECHECK_S:
            return kept
        _ = self._ask(store, name)
        return kept if age_s < STALE_S else None

    async def of(self, request: web.Request, name: str) -> Kept | None:
        """The newest report of a portfolio; None where there is none yet."""
        store = request.app[DEPS].store
        if (found := self.fresh(store, name)) is not None:
            return found
        while True:
            appended = store.appended
            found = await asyncio.shield(self._ask(store, name))
            if found is None or found.appended >= appended:
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
        kept, now = self._kept.get(name), time.monotonic()
        appended, log = store.appended, ReportLog(store)
        if kept is not None and await log.newest_seq(name) == kept.seq:
            kept.appended, kept.checked_at = appended, now
            return kept
        newest = await log.newest(name)
        if newest is None:
            return None
        seq, body = newest
        packed = gzip.compress(body, 5, mtime=0) if len(body) >= GZIP_FROM else None
        kept = Kept(seq, body, etag_of(body), packed, appended, now)
        self._kept[name] = kept
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return kept


LATEST = web.AppKey("latest", Latest)
