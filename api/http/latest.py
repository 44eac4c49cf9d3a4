"""The newest report of each portfolio as the bytes that leave, kept until there is a newer one."""

import gzip
import time
from collections import OrderedDict
from dataclasses import dataclass

from aiohttp import web

from aggregator.report import MarginReport
from aggregator.store.reports import ReportLog
from aggregator.store.repository import Store
from api.http.answer import GZIP_FROM, etag_of
from api.http.deps import DEPS

RECHECK_S = 0.5
"""Another process may have appended: after this long the store is asked whether there is a newer one."""
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

    def fresh(self, store: Store, name: str) -> Kept | None:
        """The newest report of a portfolio where the store need not be asked; else None."""
        kept = self._kept.get(name)
        if kept is None or kept.appended != store.appended or time.monotonic() - kept.checked_at >= RECHECK_S:
            return None
        return kept

    async def of(self, request: web.Request, name: str) -> Kept | None:
        """The newest report of a portfolio; None where there is none yet."""
        store = request.app[DEPS].store
        if (found := self.fresh(store, name)) is not None:
            return found
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
