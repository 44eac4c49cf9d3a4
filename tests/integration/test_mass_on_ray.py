"""The engine ``ray`` gives the bits of the local one; this starts a small Ray on this host."""

import os
from collections.abc import Iterator

import numpy as np
import pytest

from aggregator.bridge_test import keeper, past
from aggregator.mass import on_ray, run
from aggregator.mass.on_ray import OnRay
from aggregator.mass.run import Local
from aggregator.mass.snapshot import reprice, synthetic, synthetic_market
from tests.kit.market_history import made_up

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster() -> Iterator[OnRay]:
    """One Ray for all tests here: they find it running and leave it so."""
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    engine = OnRay(workers=1)
    with engine.session():
        yield engine


def test_a_scan_gives_the_same_bits_as_this_process(cluster, monkeypatch):
    monkeypatch.setattr(run, "SHARD", 500)
    monkeypatch.setattr(on_ray, "SHARD", 500)
    market = synthetic_market(40, 60)
    snapshot, changes = synthetic(2_100, 5, market), reprice(market)
    here = list(Local(2).losses(snapshot, changes))
    there = list(cluster.losses(snapshot, changes))
    assert [part.first for part in there] == [part.first for part in here] == [0, 500, 1000, 1500, 2000]
    for one, other in zip(here, there, strict=True):
        np.testing.assert_array_equal(one.most, other.most)
        np.testing.assert_array_equal(one.es, other.es)


def test_a_repricing_in_shards_gives_the_same_bits(cluster):
    market = synthetic_market(301, 90)
    np.testing.assert_array_equal(cluster.reprice(market), reprice(market))


def test_simulated_keepers_are_the_same_days(cluster, monkeypatch):
    monkeypatch.setattr(keeper, "reduced", lambda every: every[-3:])
    here = keeper.run_cells(1_000, 7, short=True, workers=1)
    assert keeper.run_cells(1_000, 7, short=True, cluster=cluster) == here


def test_a_replayed_history_says_the_same(cluster):
    history = made_up(500)
    here, there = past.try_history(history).pairs, past.try_history(history, cluster=cluster).pairs
    assert len(here) == len(there) > 0
    for one, other in zip(here, there, strict=True):
        for mine, theirs in ((one.ours, other.ours), (one.control, other.control)):
            assert (mine.names, mine.lag_s, mine.rate) == (theirs.names, theirs.lag_s, theirs.rate)
            np.testing.assert_array_equal(mine.knocked, theirs.knocked)
