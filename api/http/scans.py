"""Full scans, newest first: how long they took, who stood worst, and what had changed."""

from collections.abc import Collection
from datetime import UTC, datetime

from aiohttp import web

from aggregator.report import AsOf, BlockStamp, DataQuality, Degraded, Frozen
from aggregator.scans import ChangeLine, ScanRecord, WorstLine
from aggregator.store.scans import ScanLog
from api.errors import Problem
from api.http.accounts import Page
from api.http.answer import paged, query_of, reply
from api.http.caller import visible_names
from api.http.cursor import cursor_of, seq_of
from api.http.deps import DEPS
from api.http.endpoint import Endpoint, Scope
from api.http.models import Answer, nothing_read


class ScanItem(Frozen):
    """One scan. Totals are null for a caller that may not see every portfolio."""

    id: str
    time: datetime
    duration_s: float
    skipped: int
    """Scans left out before it because the one before took longer than the interval."""
    portfolios: int | None
    incomplete: int | None
    statuses: dict[str, int] | None
    alerts: int | None
    changed: int | None


class Scans(Answer):
    """Scans, newest first."""

    scans: tuple[ScanItem, ...]


class ScanAnswer(Answer):
    """One scan with the portfolios that the caller may see."""

    scan: ScanItem
    worst: tuple[WorstLine, ...]
    changes: tuple[ChangeLine, ...]
    largest_moves: tuple[ChangeLine, ...]


async def get_scans(request: web.Request) -> web.Response:
    """Full scans, newest first."""
    deps, query = request.app[DEPS], query_of(request, Page)
    found = await ScanLog(deps.store).page(before=seq_of(query.cursor), limit=query.limit)
    everything = _sees_all(request)
    stamps = _stamps(found[0][1]) if found else nothing_read(deps.started)
    response = reply(request, Scans(**stamps, scans=tuple(_item(scan, everything) for _, scan in found)))
    return paged(request, response, cursor_of(found[-1][0]) if len(found) == query.limit else None)


async def get_scan(request: web.Request) -> web.Response:
    """One scan: its worst portfolios, and what had changed since the one before."""
    scan_id = request.match_info["scan"]
    found = await ScanLog(request.app[DEPS].store).find(scan_id)
    if found is None:
        raise Problem(404, "unknown_scan", f"no scan {scan_id[:60]!r}: of old scans one an hour is kept")
    names = set(visible_names(request))
    answer = ScanAnswer(
        **_stamps(found),
        scan=_item(found, _sees_all(request)),
        worst=tuple(line for line in found.worst if line.portfolio in names),
        changes=_seen(found.changes, names),
        largest_moves=_seen(found.largest_moves, names),
    )
    return reply(request, answer)


def _seen(lines: Collection[ChangeLine], names: set[str]) -> tuple[ChangeLine, ...]:
    return tuple(line for line in lines if line.portfolio in names)


def _sees_all(request: web.Request) -> bool:
    return len(visible_names(request)) == len(request.app[DEPS].portfolios.names)


def _item(scan: ScanRecord, everything: bool) -> ScanItem:
    totals = ("portfolios", "incomplete", "statuses", "alerts", "changed")
    return ScanItem(
        id=scan.id,
        time=scan.time,
        duration_s=scan.duration_s,
        skipped=scan.skipped,
        **{name: getattr(scan, name) if everything else None for name in totals},
    )


def _stamps(scan: ScanRecord) -> dict[str, object]:
    unknown = (Degraded(what="portfolios", reason="of some not everything is known"),) if scan.incomplete else ()
    return {
        "as_of": AsOf(time=scan.time, max_skew_s=scan.max_skew_s, blocks=scan.blocks),
        "data_quality": DataQuality(complete=not unknown, staleness_s=None, degraded=unknown),
    }


def _example() -> dict[str, object]:
    block = BlockStamp(number=251_000_000, hash="0x" + "5a" * 32, timestamp=1_767_322_000, finality="latest")
    scan = ScanRecord(
        id="scan_" + "0" * 31 + "1", time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), duration_s=0.42,
        max_skew_s=2, blocks={"eip155:42161": block}, portfolios=12, incomplete=0, statuses={"SAFE": 12}, alerts=0,
        skipped=0, worst=(), changes=(), changed=0, largest_moves=(),
    )  # fmt: skip
    return {**_stamps(scan), "scan": _item(scan, everything=True)}


_EXAMPLE = _example()
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/v1/scans", get_scans, Scope.READ, "Full scans, newest first", "scans", Scans, query=Page,
             example=Scans(as_of=_EXAMPLE["as_of"], data_quality=_EXAMPLE["data_quality"],
                           scans=(_EXAMPLE["scan"],)).model_dump(mode="json")),
    Endpoint("GET", "/v1/scans/{scan}", get_scan, Scope.READ, "One full scan", "scans", ScanAnswer, also=(404,),
             example=ScanAnswer(**_EXAMPLE, worst=(), changes=(), largest_moves=()).model_dump(mode="json")),
)  # fmt: skip
