"""Several workers over one PostgreSQL database: equal parts, one owner at a time, takeover, nothing twice."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import groupby
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from aggregator.alerts import status_change
from aggregator.delivery.notifier import Notifier
from aggregator.delivery.outbox import Outbox
from aggregator.errors import ConfigError, LeaseLost
from aggregator.portfolios import Portfolios
from aggregator.service import Service
from aggregator.store.migrate import downgrade, upgrade
from aggregator.workers.leases import SHARDS
from aggregator.workers.settings import WorkerSettings
from aggregator.workers.share import Share, digest_of, shard_of
from aggregator.workers.touched import TouchedLog
from api.cli.main import app
from chains.caip import AccountId, ChainId
from chains.devnet.acts import ARBITRUM
from chains.types import BlockRef, Finality
from risk.status import Status
from tests.kit.crash import processes
from tests.kit.rates import ENDPOINT, Budget
from tests.kit.receivers import Script, serving
from tests.kit.reports import a_report
from tests.kit.supply import supply_for
from tests.kit.workers import NAMES, Cycle, ask, expire, work

pytestmark = pytest.mark.postgres
ROOT = Path(__file__).parents[2]
CHAINS = tuple(ChainId(f"eip155:{number}") for number in (1, 10, 8453, 42161))
TAKEOVER_S = 10
LENDER = "steady-lender"
LONG = WorkerSettings(lease_s=300, beat_s=0.05)
"""Nobody dies by himself in these tests, however busy the machine."""


@pytest.fixture
def dsn(postgres_server) -> str:
    return postgres_server.new_database()


async def joined(*shares: Share) -> None:
    """Let workers join one after the other, the earlier ones beating on, until all hold their parts."""
    for i, share in enumerate(shares):
        joining = asyncio.create_task(share.join())
        while not joining.done():
            for other in shares[:i]:
                await other.beat()
            await asyncio.sleep(0.01)
        await joining
    for _ in range(2):
        for share in shares:
            await share.beat()


async def test_workers_hold_equal_parts_and_nothing_twice(store):
    shares = [Share(store, CHAINS, LONG) for _ in range(3)]
    await joined(*shares)
    held = [set(share.epochs) for share in shares]
    assert len(set.union(*held)) == sum(map(len, held)) == SHARDS + len(CHAINS) + 1
    for share in shares:
        assert abs(sum(name.startswith("shard") for name in share.epochs) - SHARDS / 3) <= 1.5
    known = Portfolios(dict.fromkeys(NAMES, ()))
    assert sorted(name for share in shares for name in share.of(known).names) == sorted(NAMES)
    assert sum(share.follows(chain) for share in shares for chain in CHAINS) == len(CHAINS)


async def test_who_lost_a_lease_writes_nothing_of_it(store):
    """Two workers with one lease: the one that was silent believes in it still."""
    slow, quick = Share(store, CHAINS, LONG), Share(store, CHAINS, LONG)
    await slow.join()
    await expire(store, slow)
    await quick.join()
    assert set(slow.epochs) == set(quick.epochs)
    with pytest.raises(LeaseLost) as lost:
        await store.append([a_report("desk", Status.WATCH)], status_change, ["hook"], fence=slow)
    assert lost.value.names == {"desk"}
    assert (await store.count_reports(), await store.alerts(), await Outbox(store).undelivered()) == (0, [], 0)
    await store.append([a_report("desk", Status.WATCH)], status_change, ["hook"], fence=quick)
    assert (await store.count_reports(), len(await store.alerts())) == (1, 1)
    await slow.beat()  # it lives again, and has to share
    with pytest.raises(LeaseLost):
        await store.append([a_report("desk")], status_change, ["hook"], fence=slow)


async def test_a_scan_leaves_to_the_new_owner_what_it_has_lost_meanwhile(store):
    slow, quick = Share(store, (), LONG), Share(store, (), LONG)
    one, other = (
        Service(Cycle(name), store, Notifier(store, ()), 60, share=share)
        for name, share in (("slow", slow), ("quick", quick))
    )
    await slow.join()
    assert len((await one.scan()).reports) == len(NAMES)
    await expire(store, slow)
    await quick.join()
    assert (await one.scan()).reports == ()
    assert len((await other.scan()).reports) == len(NAMES)
    assert {report.as_of.time for report in (await other.scan()).reports} != set()
    by = [(await store.latest(name)).status_reason for name in NAMES]
    assert set(by) == {"quick"}
    assert await store.count_reports() == 3 * len(NAMES)


async def test_what_is_being_written_is_not_taken_over(store):
    slow, quick = Share(store, CHAINS, LONG), Share(store, CHAINS, LONG)
    await slow.join()
    async with store.transaction(writing=True) as writing:
        assert await slow.hold(writing, ["desk"]) == {"desk"}
        await expire(store, slow)
        await quick.join()
        assert shard_of("desk") not in quick.epochs
        assert len(quick.epochs) == SHARDS + len(CHAINS)
    await quick.beat()
    assert shard_of("desk") in quick.epochs


async def test_a_worker_that_cannot_say_that_it_lives_gives_up(store):
    share = Share(store, CHAINS, WorkerSettings(lease_s=0.4, beat_s=0.1))
    await share.join()
    assert share.of(Portfolios({"desk": ()})).names == ("desk",) or not share.epochs
    await asyncio.sleep(0.45)
    assert share.of(Portfolios({"desk": ()})).names == ()
    assert not share.follows(CHAINS[0])


def block(number: int) -> BlockRef:
    return BlockRef(CHAINS[0], number, "0x" + "00" * 32, "0x" + "11" * 32, number, Finality.LATEST)


async def test_what_one_worker_s_chains_tell_all_workers_hear(store):
    heard = []
    here, there = TouchedLog(store, lambda *_: None), TouchedLog(store, lambda *told: heard.append(told))
    account, chain = AccountId("eip155:1:0x70997970C51812dc3A010C7d01b50e0d17dc79C8"), CHAINS[0]
    await here.add(frozenset({account}), block(6))
    await there.look()
    assert heard == []  # older than its start
    await here.add(frozenset({account}), block(7))
    await there.look()
    await there.look()
    assert heard == [(frozenset({account}), chain, 7)]


async def test_other_portfolios_in_a_worker_s_settings_are_told_of(store, caplog):
    books = [digest_of(Portfolios({"desk": accounts})) for accounts in ((), (AccountId("eip155:1:0x1"),))]
    pair = [Share(store, (), LONG, book=book) for book in books]
    with caplog.at_level("ERROR"):
        await joined(*pair)
    assert sum("other portfolios in its settings" in record.getMessage() for record in caplog.records) == 2


@asynccontextmanager
async def two_workers(dsn, url):
    children = [processes().Process(target=work, args=(dsn, {"desk": url}), daemon=True) for _ in range(2)]
    for child in children:
        child.start()
    try:
        yield children
    finally:
        for child in children:
            child.kill()
            await asyncio.to_thread(child.join)


async def test_a_killed_worker_s_portfolios_are_taken_over_and_nothing_comes_twice(dsn, store):
    async with AsyncExitStack() as stack:
        script = Script([0.01])
        await stack.enter_async_context(serving(script))
        children = await stack.enter_async_context(two_workers(dsn, script.url))

        async def owners(after: int = 0) -> dict[str, set[str]]:
            rows = await ask(store, "SELECT portfolio, body FROM reports WHERE seq > :after", after=after)
            found = defaultdict(set)
            for name, body in rows:
                found[body.partition('"status_reason":"')[2].partition('"')[0]].add(name)
            return found

        async with asyncio.timeout(40):
            while True:
                after = await newest(store)
                await asyncio.sleep(1)
                parts = await owners(after)
                if len(parts) == 2 and sum(map(len, parts.values())) == len(NAMES):
                    break
        os.kill(children[0].pid, signal.SIGKILL)
        killed, after = time.monotonic(), await newest(store)
        async with asyncio.timeout(TAKEOVER_S):
            while set().union(*(await owners(after)).values()) != set(NAMES):
                await asyncio.sleep(0.1)
        sys.stdout.write(f"taken over after {time.monotonic() - killed:.1f} s\n")
        await asyncio.sleep(1)
        os.kill(children[1].pid, signal.SIGKILL)
        await asyncio.to_thread(children[1].join)
    await nothing_twice(store, script)


async def nothing_twice(store, script) -> None:
    """Owners change when one joins and when one dies only; alerts open and end in turn, each delivered as one."""
    owners, changes = defaultdict(list), defaultdict(list)
    for name, body in await ask(store, "SELECT portfolio, body FROM reports ORDER BY seq"):
        owners[name].append(body.partition('"status_reason":"')[2].partition('"')[0])
    for runs in owners.values():
        turns = [owner for owner, _ in groupby(runs)]
        assert len(turns) <= 3, turns
    opened = "SELECT body FROM alerts ORDER BY seq"
    for (body,) in await ask(store, opened):
        if '"watch":"status"' in body:
            name = body.partition('"portfolio":"')[2].partition('"')[0]
            changes[name].append(body.partition('"change":"')[2].partition('"')[0])
    assert changes
    for told in changes.values():
        assert told == [("opened", "resolved")[i % 2] for i in range(len(told))], told
    known = {row.id for row in await ask(store, "SELECT id FROM alerts")}
    assert set(script.ids) <= known
    in_flight = 2 * 8  # what the two had sent and not noted when they were killed comes again, with the same id
    assert len(script.ids) - len(set(script.ids)) <= in_flight


async def test_the_migration_goes_down_and_up_with_reports(store):
    share = Share(store, CHAINS, LONG, rates={ENDPOINT: Budget()})
    await share.join()
    await store.append([a_report("desk")], status_change, [], fence=share)
    async with store.transaction(writing=True) as connection:
        await connection.run_sync(downgrade, "0013")
        assert await connection.scalar(sa.text("SELECT count(*) FROM leases WHERE kind = 'rate'")) == 0
        assert await connection.scalar(sa.text("SELECT min(sharers) FROM workers")) == 1
        await connection.run_sync(downgrade, "0012")
        await connection.run_sync(upgrade)
    assert await store.count_reports() == 1
    await share.join()
    assert len(share.epochs) == SHARDS + len(CHAINS) + 2


def test_without_postgresql_workers_are_refused_with_the_fix(tmp_path, monkeypatch):
    monkeypatch.setenv("CROSSMARGIN_DATABASE", f"sqlite+aiosqlite:///{tmp_path / 's.db'}")
    settings = tmp_path / "s.toml"
    settings.write_text('deployments = "d.json"\n[chains."eip155:1"]\nrpc_urls = ["http://127.0.0.1:1"]\n')
    done = CliRunner().invoke(app, ["worker", "--config", str(settings)])
    assert isinstance(done.exception, ConfigError)
    assert "postgresql+asyncpg://" in str(done.exception)
    assert "crossmargin serve" in str(done.exception)
    assert not (tmp_path / "s.db").exists()


async def newest(store) -> int:
    return (await ask(store, "SELECT coalesce(max(seq), 0) FROM reports"))[0][0]


async def owner_of(store, names) -> dict[str, int]:
    """Process that held the lease of each portfolio last."""
    owners = dict(map(tuple, await ask(store, "SELECT name, owner FROM leases WHERE owner IS NOT NULL")))
    return {name: int(owners[shard_of(name)].split("-")[-2]) for name in names}


def a_worker(devnet, dsn: str, log: Path) -> subprocess.Popen:
    environment = {**os.environ, "CROSSMARGIN_DATABASE": dsn, "CROSSMARGIN_SERVICE__SCAN_INTERVAL_S": "3600"}
    command = [sys.executable, "-m", "api.cli", "worker", "--port", "0", "--devnet", str(devnet.state_dir)]
    with log.open("ab") as out:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=out)


@pytest.mark.slow
@pytest.mark.devnet
async def test_two_worker_commands_share_the_devnet_and_one_takes_over(devnet_snapshot, dsn, store, tmp_path):
    """No scan comes by itself for an hour: events and the takeover alone make these reports."""
    devnet = devnet_snapshot
    log = tmp_path / "workers.log"
    pair = [a_worker(devnet, dsn, log) for _ in range(2)]
    wanted = {p.name for p in devnet.portfolios if p.accounts}

    async def reported(after: int) -> set[str]:
        return {
            row[0] for row in await ask(store, "SELECT portfolio FROM reports WHERE seq > :after", after=after)
        }

    async def holders() -> dict[str, int]:
        query = "SELECT owner, count(*) FROM leases WHERE kind = 'shard' AND owner IS NOT NULL GROUP BY owner"
        return dict(map(tuple, await ask(store, query)))

    try:
        async with asyncio.timeout(60):
            while sorted((await holders()).values()) != [SHARDS // 2, SHARDS // 2] or await reported(0) != wanted:
                assert all(child.poll() is None for child in pair), log.read_text()
                await asyncio.sleep(0.1)
        began, before = time.monotonic(), (await store.latest(LENDER)).net_value_usd
        member = next(p for p in devnet.portfolios if p.name == LENDER)
        user = member.accounts[0].rpartition(":")[2]
        await asyncio.to_thread(supply_for, devnet.chains[ARBITRUM], user, 1234)
        async with asyncio.timeout(30):
            while (await store.latest(LENDER)).net_value_usd < before + 1000:
                await asyncio.sleep(0.05)
        sys.stdout.write(f"an event in a report after {time.monotonic() - began:.1f} s, ")
        pair[0].kill()
        killed = time.monotonic()
        mine = {name for name, owner in (await owner_of(store, wanted)).items() if owner == pair[0].pid}
        after = await newest(store)
        async with asyncio.timeout(TAKEOVER_S):
            while not mine <= await reported(after):
                await asyncio.sleep(0.05)
        sys.stdout.write(f"taken over after {time.monotonic() - killed:.1f} s\n")
        pair[1].terminate()
        assert await asyncio.to_thread(pair[1].wait, 20) == 0
        assert await holders() == {} or set((await holders()).values()) == {0}, "a stop in order gives leases back"
    finally:
        for child in pair:
            child.kill()
            child.wait()
    assert "Traceback" not in log.read_text(), log.read_text()
