"""What the index tells: metrics of every event, drift as a defect, bars with rate and time left."""

import io
import logging

import pytest
from rich.console import Console

from aggregator import metrics
from aggregator.indexing import record
from api.cli.index import _Bars
from chains.accounts import VenueId
from chains.caip import Address, account_id, chain_id
from chains.indexer.types import Advanced, Failing, Recovered, RolledBack, Sampled
from chains.types import BlockRef, Finality

CHAIN = chain_id(424_242)
USER = account_id(CHAIN, Address("0x" + "77" * 20))


def block(number: int) -> BlockRef:
    return BlockRef(CHAIN, number, "0x01", "0x00", 1_700_000_000, Finality.LATEST)


def advanced(upto: int, head: int, blocks: int) -> Advanced:
    return Advanced(CHAIN, block(upto), head, blocks, 7, 0, frozenset(), 0.1)


def sample(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(f"crossmargin_index_{name}", {"chain": CHAIN, **labels}) or 0.0


def test_lag_is_told_in_blocks():
    record(advanced(80, 100, 81))
    assert (sample("block"), sample("lag_blocks")) == (80, 20)
    record(advanced(100, 100, 20))
    assert sample("lag_blocks") == 0


def test_drift_is_a_defect_that_is_counted_and_never_quiet(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.ERROR)
    before, seen = sample("drift_total", venue="aave-v3"), sample("sampled_total")
    record(Sampled(CHAIN, 10, ()))
    assert sample("drift_total", venue="aave-v3") == before
    assert caplog.text == ""
    record(Sampled(CHAIN, 10, ((USER, VenueId("aave-v3")),)))
    assert sample("drift_total", venue="aave-v3") == before + 1
    assert sample("sampled_total") == seen + 20
    assert f"{USER}: aave-v3 changed without an event" in caplog.text


def test_reorgs_and_trouble_are_told(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    record(RolledBack(CHAIN, block(100), 93))
    assert "reorg, 7 blocks taken back to block 93" in caplog.text
    record(Failing(CHAIN, "no endpoint answers"))
    assert sample("working") == 0
    record(Recovered(CHAIN))
    assert sample("working") == 1


def test_a_backfill_shows_how_far_it_is_how_fast_and_how_long_yet():
    bars, clock = _Bars(), [0.0]
    bars.progress.get_time = lambda: clock[0]
    screen = io.StringIO()
    for second in range(1, 6):
        clock[0] = float(second)
        bars.show(advanced(200 * second, 4000, 200))
    Console(file=screen, width=120).print(bars.progress.get_renderable())
    shown = screen.getvalue()
    assert "1001/4000" in shown or "1000/4000" in shown
    assert "200 blocks/s" in shown
    assert "0:00:15" in shown
