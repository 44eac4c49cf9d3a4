"""A full scan of 100,000 made-up portfolios of 20 positions over 500 scenarios, written into PostgreSQL.

``python -m tests.bench scan`` runs this one alone; ``CROSSMARGIN_BENCH_PORTFOLIOS=1000000`` for a million.
"""

import asyncio
import os
import tempfile
from pathlib import Path

from aggregator.mass.run import Local, Profile, mass_scan
from aggregator.mass.snapshot import reprice, synthetic, synthetic_market
from aggregator.store.mass import MassLog
from aggregator.store.repository import Store
from tests.bench import Row
from tests.bench.store import postgres

PORTFOLIOS = int(os.environ.get("CROSSMARGIN_BENCH_PORTFOLIOS", "100000"))
INSTRUMENTS, SCENARIOS, POSITIONS = 500, 500, 20


def run() -> list[Row]:
    rows = []
    with tempfile.TemporaryDirectory(prefix="cm-bench-scan-") as folder:
        rows += _measured("SQLite", f"sqlite+aiosqlite:///{Path(folder) / 'scan.db'}", "")
        with postgres(Path(folder)) as dsn:
            rows += _measured("PostgreSQL", dsn, "< 60 s")
    return rows


def _measured(name: str, dsn: str, target: str) -> list[Row]:
    profile = asyncio.run(_scan(dsn))
    what = f"scan of {PORTFOLIOS:,} x {POSITIONS} x {SCENARIOS} into {name}"
    rows = [Row(what, profile.total_s, "s", "", None, target)]
    rows += [Row(f"  {stage}", seconds, "s", "", None, "") for stage, seconds in profile.stages.items()]
    return rows


async def _scan(dsn: str) -> Profile:
    profile = Profile()
    reprice(synthetic_market(INSTRUMENTS, 4))  # loads the compiled code
    with profile.timed("make the portfolios"):
        market = synthetic_market(INSTRUMENTS, SCENARIOS)
        snapshot = synthetic(PORTFOLIOS, POSITIONS, market)
    with profile.timed("reprice"):
        changes = reprice(market)
    store = await Store.open(dsn)
    try:
        await mass_scan(snapshot, changes, Local(), MassLog(store), profile)
    finally:
        await store.close()
    return profile
