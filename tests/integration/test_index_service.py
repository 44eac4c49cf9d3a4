"""What the index does for the service: an event wakes its portfolio, the command line says how far it is."""

import asyncio
import json
import sys
import time

import pytest
from typer.testing import CliRunner

from aggregator import metrics
from aggregator.devnet_settings import devnet_settings
from aggregator.wiring import open_service, wire
from api.cli.main import app
from api.cli.serve import serving
from chains.devnet.acts import ARBITRUM
from tests.kit.supply import supply_for

pytestmark = pytest.mark.devnet
NAME = "steady-lender"


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def test_event_is_looked_at_long_before_the_next_scan(kind, devnet_snapshot, tmp_path, request):
    world = devnet_snapshot
    database = f"sqlite+aiosqlite:///{tmp_path / 's.db'}"
    if kind == "postgresql":
        database = request.getfixturevalue("postgres_server").new_database()
    settings = devnet_settings(
        world.state_dir,
        database=database,
        service={"scan_interval_s": 3600, "port": 0},
        index={"poll_s": 30},  # so that only the WebSocket can be as quick as this
    )
    async with wire(settings) as wired, open_service(wired) as (service, store, notifier):
        async with serving(wired, service, store, notifier):
            first = await until(store, None)
            await followed(wired)
            member = next(p for p in world.portfolios if p.name == NAME)
            user = member.accounts[0].rpartition(":")[2]
            began = time.monotonic()
            await asyncio.to_thread(supply_for, world.chains[ARBITRUM], user, 1234)
            second = await until(store, first.id)
            seconds = time.monotonic() - began
        others = [await store.latest(p.name) for p in world.portfolios if p.name != NAME and p.accounts]
    assert second.net_value_usd - first.net_value_usd > 1000
    sys.stdout.write(f"in a report {seconds:.2f} s after it was sent\n")
    assert seconds < 20
    assert {report.as_of.time for report in others} == {first.as_of.time}, "only the portfolio of the event"
    lag = {"chain": "eip155:42161"}
    assert metrics.REGISTRY.get_sample_value("crossmargin_index_lag_blocks", lag) == 0
    assert metrics.REGISTRY.get_sample_value("crossmargin_index_lag_seconds", lag) is not None


async def until(store, not_id):
    async with asyncio.timeout(40):
        while (report := await store.latest(NAME)) is None or report.id == not_id:
            await asyncio.sleep(0.05)
    return report


async def followed(wired) -> None:
    """Until every chain's index has reached its head."""
    async with asyncio.timeout(40):
        for chain, client in wired.clients.items():
            head = await client.head(wired.settings.finality)
            while metrics.REGISTRY.get_sample_value("crossmargin_index_block", {"chain": chain}) != head.number:
                await asyncio.sleep(0.05)


def test_command_indexes_once_and_says_how_far(devnet_snapshot, tmp_path, monkeypatch):
    monkeypatch.setenv("CROSSMARGIN_DATABASE", f"sqlite+aiosqlite:///{tmp_path / 'c.db'}")
    folder = str(devnet_snapshot.state_dir)
    done = CliRunner().invoke(app, ["index", "--once", "--json", "--devnet", folder])
    assert done.exit_code == 0, done.output
    rows = json.loads(CliRunner().invoke(app, ["index", "--status", "--json", "--devnet", folder]).stdout)
    assert {row["chain"] for row in rows} == set(devnet_snapshot.rpc_urls)
    for row in rows:
        assert (row["lag_blocks"], row["dirty"], row["failed"]) == (0, 0, 0)
        assert row["accounts"] >= 5
