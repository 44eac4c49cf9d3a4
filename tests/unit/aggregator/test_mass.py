"""Scans of very many portfolios: the same bits whatever the threads, losses as the plain way finds them."""

import numpy as np
import pytest

from aggregator.mass import run as mass
from aggregator.mass.run import LEVEL, Local, Profile, mass_scan
from aggregator.mass.snapshot import reprice, synthetic, synthetic_market
from risk.scan import scan

MARKET = synthetic_market(40, 60)
CHANGES = reprice(MARKET)


class Kept:
    """A log that keeps the rows."""

    def __init__(self):
        self.rows = []

    async def add(self, rows):
        self.rows += rows


async def scanned(count, threads=1):
    log, profile, seen = Kept(), Profile(), []
    await mass_scan(synthetic(count, 5, MARKET), CHANGES, Local(threads), log, profile, seen.append)
    return log.rows, profile, seen


async def test_threads_and_shards_change_no_bit(monkeypatch):
    one, _, _ = await scanned(700)
    monkeypatch.setattr(mass, "SHARD", 128)
    two, profile, seen = await scanned(700, threads=2)
    assert [row[1:] for row in one] == [row[1:] for row in two]
    assert seen == [128, 256, 384, 512, 640, 700]
    assert profile.portfolios == sum(profile.statuses.values()) == 700


async def test_rows_say_what_the_plain_scan_finds_against_the_account():
    snapshot = synthetic(300, 5, MARKET)
    rows, _, _ = await scanned(300)
    plain = scan(snapshot.units, CHANGES, LEVEL, engine="numpy")
    for i, row in enumerate(rows):
        assert float(row.worst_usd) == pytest.approx(plain.most[i], rel=1e-9, abs=2e-6)
        assert float(row.buffer_usd) >= max(plain.es[i], 0.0) - 1e-6
        status = "LIQUIDATABLE" if snapshot.surplus_usd[i] < 0 else "WATCH" if row.excess_usd < 0 else "SAFE"
        assert row.status == status
    assert {row.status for row in rows} >= {"SAFE", "WATCH"}


def test_the_first_scenario_moves_nothing():
    assert np.abs(CHANGES[:, 0]).max() == 0
    assert np.isfinite(CHANGES).all()
