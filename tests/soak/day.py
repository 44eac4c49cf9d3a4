"""``make soak HOURS=24``: the service through simulated hours at many times the speed of time, with the tape.

python -m tests.soak.day [hours] [speed] [seed]. The clocks of the four chains and of the service run at ``speed``;
the tape is played round and round, a step every 20 minutes. The receiver is down for a fifth of the time, the
service is killed with SIGKILL twice. At the end: every alert was delivered, matters open and end in turn, nobody
was left without reports, memory has not grown, and the newest reports say what a fresh read of the chains says.
"""

import asyncio
import itertools
import logging
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import msgspec
import psutil
from aiohttp import web

import aggregator.clock
import aggregator.upkeep
import chains.devnet.clock
from aggregator.config import load_settings
from aggregator.delivery.notifier import Notifier
from aggregator.delivery.outbox import Outbox
from aggregator.store.repository import Store
from aggregator.wiring import open_service, wire
from api.cli.common import log_to_stderr
from api.cli.serve import run as serve
from chains.devnet import control, worldfile
from chains.devnet.clock import mine_at, wall_s
from chains.devnet.tape import STEPS, move, play
from chains.devnet.world import World, build
from tests.kit.receivers import SECRET

STEP_S, REFRESH_S = 1_200, 150
"""Of simulated time; a pool's price is good for 238 s after its last trade."""
SCAN_S = 1.0
"""Of real time: a minute at 60 times its speed."""
KILLS = 2
LONGEST_GAP_S = 150
"""Of real time, a kill and a start included."""
REST_S, LOOKS = 60, 40
JITTER = 0.0002
GROWTH = 1.25


def hurry(began: float, speed: float) -> None:
    """Let the clocks that this process reads run fast, counted from a real moment."""

    class Fast(datetime):
        @classmethod
        def now(cls, tz=None):
            real = datetime.now(UTC).timestamp()
            return datetime.fromtimestamp(began + (real - began) * speed, tz)

    aggregator.clock.datetime = Fast
    chains.devnet.clock.datetime = Fast
    aggregator.upkeep.JUMP_S = float("inf")  # this clock does not go with the one that nobody sets


@dataclass
class Receiver:
    """A real receiver that is switched off at times."""

    taken: Counter = field(default_factory=Counter)
    refused: int = 0
    up: bool = True
    url: str = ""

    async def take(self, request: web.Request) -> web.Response:
        if not self.up:
            self.refused += 1
            return web.Response(status=503)
        self.taken[request.headers["webhook-id"]] += 1
        return web.Response(status=204)

    async def open(self, stack: AsyncExitStack) -> None:
        app = web.Application()
        app.router.add_post("/", self.take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"


@dataclass
class Day:
    """One run."""

    world: World
    folder: Path
    receiver: Receiver
    began: float
    speed: float
    hours: float
    rng: random.Random
    child: subprocess.Popen | None = None
    memory: list[list[int]] = field(default_factory=list)
    """Resident bytes over each life of the service."""
    seen: Counter = field(default_factory=Counter)

    @property
    def database(self) -> Path:
        return self.folder / "day.db"

    @property
    def settings(self) -> Path:
        return self.folder / "day.toml"

    def write_settings(self) -> None:
        lines = [
            f'deployments = "{worldfile.path_of(self.world.state_dir)}"',
            f'database = "sqlite+aiosqlite:///{self.database}"', "max_head_age_s = 1200",
            "[service]", f"scan_interval_s = {SCAN_S}", "price_interval_s = 0.5", "port = 0",
            "[model]", 'bridges = ["across", "canonical"]', 'reaction = "keeper"',
            "[prices]", "sequencer_grace_s = 0", "[advice]", "automatic = false",
            "[[webhooks]]", 'name = "desk"', f'url = "{self.receiver.url}"', f'secret = "{SECRET}"',
            "allow_private = true",
        ]  # fmt: skip
        for node in self.world.file.nodes:
            lines += [f'[chains."{node.chain}"]', f'rpc_urls = ["{node.http_url}", "{node.ws_url}"]']
        for portfolio in self.world.file.portfolios:
            if portfolio.accounts:
                lines += [
                    f"[portfolios.{portfolio.name}]",
                    f"accounts = {list(portfolio.accounts)}".replace("'", '"'),
                ]
        self.settings.write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.soak.day", "--serve", str(self.settings)]
        with (self.folder / "service.log").open("ab") as log:
            self.child = subprocess.Popen([*command, str(self.began), str(self.speed)], stderr=log, stdout=log)
        self.memory.append([])

    def kill(self) -> None:
        if self.child is not None:
            self.child.send_signal(signal.SIGKILL)
            self.child.wait()

    async def run(self) -> None:
        self.start()
        stop = threading.Event()
        chains_run = asyncio.create_task(asyncio.to_thread(self.market, stop))
        real_s = self.hours * 3600 / self.speed
        kills = sorted(self.rng.uniform(0.2, 0.8) * real_s for _ in range(KILLS))
        started = time.monotonic()
        try:
            while (spent := time.monotonic() - started) < real_s:
                await asyncio.sleep(0.5)
                if chains_run.done():
                    await chains_run
                self.receiver.up = not 0.4 < (4 * spent / real_s) % 1 < 0.6
                if kills and spent > kills[0]:
                    kills.pop(0)
                    await asyncio.to_thread(self.kill)
                    self.start()
                    self.seen["kill -9"] += 1
                self.look_at_the_service()
            self.receiver.up = True
        finally:
            stop.set()
            await chains_run

    def look_at_the_service(self) -> None:
        if self.child.poll() is not None:
            raise AssertionError(f"the service ended by itself with {self.child.returncode}")
        self.memory[-1].append(psutil.Process(self.child.pid).memory_info().rss)

    def mine(self, at_s: int) -> None:
        self.world.each(lambda chain: mine_at(chain.ctx, max(at_s, newest_s(chain) + 1)))

    def fresh(self) -> None:
        """New blocks, and new rounds at prices a little beside those they have: a market never stands still."""
        self.mine(wall_s())
        known = {key: price for chain in self.world.chains.values() for key, price in chain.ctx.prices.items()}
        prices = {key: price * Decimal(1 + self.rng.choice((-1, 1)) * JITTER) for key, price in known.items()}
        self.world.each(lambda chain: move(chain, {key: prices[key] for key in chain.ctx.prices}))
        self.world.meet()

    def market(self, stop: threading.Event) -> None:
        """Blocks at the fast clock's time, the tape, and rounds of the feeds between its steps."""
        steps, step_at, refresh_at = itertools.cycle(STEPS), wall_s() + STEP_S, wall_s() + REFRESH_S
        while not stop.is_set():
            began = time.monotonic()
            now = wall_s()
            self.mine(now)
            if now >= step_at:
                play(self.world, next(steps))
                self.seen["tape steps"] += 1
                step_at, refresh_at = now + STEP_S, now + REFRESH_S
            elif now >= refresh_at:
                self.fresh()
                self.seen["refreshes of the feeds"] += 1
                refresh_at = now + REFRESH_S
            stop.wait(max(0.0, 0.5 - (time.monotonic() - began)))


def newest_s(chain) -> int:
    block = chain.ctx.deployer.rpc("eth_getBlockByNumber", "latest", False)
    return int(block["timestamp"], 16)


async def rest(day: Day) -> None:
    """The market stands still; wait until it is told as a fresh read has it, and everything is delivered."""
    await asyncio.to_thread(play, day.world, "all-clear")
    await as_fresh(day)
    day.child.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(day.child.wait, 20) == 0, "the stop was not in order"
    await deliver(day)


async def deliver(day: Day) -> None:
    """What the stopped service still owes."""
    settings = load_settings(day.settings)
    store = await Store.open(settings.database.get_secret_value())
    owing = asyncio.create_task(Notifier(store, settings.webhooks, settings.delivery).run())
    try:
        async with asyncio.timeout(REST_S):
            while await Outbox(store).undelivered():
                await asyncio.sleep(0.1)
    finally:
        owing.cancel()
        await asyncio.gather(owing, return_exceptions=True)
        await store.close()


def rows(day: Day, query: str):
    with closing(sqlite3.connect(f"file:{day.database}?mode=ro", uri=True)) as plain:
        return plain.execute(query).fetchall()


async def check(day: Day) -> None:
    """All that must hold; figures go into ``seen``."""
    delivered_all(day)
    in_turn(day)
    day.seen["longest gap between reports, sim. s"] = round(longest_gap_s(day))
    assert day.seen["longest gap between reports, sim. s"] < LONGEST_GAP_S * day.speed
    for life in day.memory:
        if len(life) > 120:  # a minute: shorter lives say nothing
            early, late = sum(life[40:60]) / 20, sum(life[-20:]) / 20
            day.seen["memory late, MB"] = max(day.seen["memory late, MB"], round(late / 1e6))
            day.seen["memory growth, %"] = max(day.seen["memory growth, %"], round(100 * (late / early - 1)))
            assert late < GROWTH * early + 100e6, (early, late)
    log = (day.folder / "service.log").read_text(errors="replace")
    day.seen["scans failed, told"] = log.count("scans fail:")
    assert "Traceback" not in log, log[-4000:]


def delivered_all(day: Day) -> None:
    alerts = {row[0] for row in rows(day, "SELECT id FROM alerts")}
    due = {row[0] for row in rows(day, "SELECT DISTINCT alert_id FROM deliveries WHERE alert_id IS NOT NULL")}
    got = {name for name in day.receiver.taken if name.startswith("alt_")}
    assert got == due, f"{len(due - got)} alerts never came, {len(got - due)} came from nowhere"
    orphans = (
        "SELECT count(*) FROM alerts WHERE report_id IS NOT NULL AND report_id NOT IN (SELECT id FROM reports)"
    )
    assert rows(day, orphans) == [(0,)]
    day.seen |= Counter({
        "reports": rows(day, "SELECT count(*) FROM reports")[0][0], "alerts": len(alerts), "delivered": len(got),
        "repeats": sum(day.receiver.taken.values()) - len(day.receiver.taken),
        "refused while down": day.receiver.refused,
        "MB of database": round(day.database.stat().st_size / 1e6),
    })  # fmt: skip


def in_turn(day: Day) -> None:
    """A matter is opened, gets worse or better, ends, and only then is opened again."""
    matters = defaultdict(list)
    for (body,) in rows(day, "SELECT body FROM alerts ORDER BY seq"):
        alert = msgspec.json.decode(body)
        kind = "missing" if alert["type"].startswith("data.") else "breach"
        matters[alert["portfolio"], alert["watch"], alert["subject"], kind].append(alert["change"])
    for matter, changes in matters.items():
        is_open = False
        for change in changes:
            assert (change == "opened") is not is_open, (matter, changes)
            is_open = change != "resolved"
    day.seen["matters"] = len(matters)


def longest_gap_s(day: Day) -> float:
    times = defaultdict(list)
    for name, at in rows(day, "SELECT portfolio, created_at FROM reports ORDER BY seq"):
        times[name].append(datetime.fromisoformat(at))
    assert len(times) == sum(bool(p.accounts) for p in day.world.file.portfolios)
    longest = max((b - a for series in times.values() for a, b in pairwise(series)), default=timedelta())
    return longest.total_seconds()


async def as_fresh(day: Day) -> None:
    """A new service that knows nothing comes to the same statuses over the same chains.

    Minutes pass in seconds here: on a busy machine a price is old before it is looked at; then look again.
    """
    fresh = day.folder / "fresh.toml"
    fresh.write_text(day.settings.read_text().replace("day.db", "fresh.db"))
    async with wire(load_settings(fresh)) as wired, open_service(wired) as (service, _, _):
        for _ in range(LOOKS):
            await asyncio.to_thread(day.fresh)
            told, reports = statuses(day), (await service.scan()).reports
            found = {report.portfolio.name: report.status.value for report in reports}
            if told == found:
                day.seen["portfolios as a fresh read has them"] = len(found)
                return
            await asyncio.sleep(SCAN_S)
    raise AssertionError({name: (told[name], found[name]) for name in found if told[name] != found[name]})


def statuses(day: Day) -> dict[str, str]:
    newest = "SELECT portfolio, status FROM reports WHERE seq IN (SELECT max(seq) FROM reports GROUP BY portfolio)"
    return dict(rows(day, newest))


async def soak(hours: float, speed: float, seed: int, folder: Path) -> None:
    control.fetch()
    world = await asyncio.to_thread(build, folder / "devnet")
    async with AsyncExitStack() as stack:
        stack.callback(world.stop)
        receiver, began = Receiver(), time.clock_gettime(time.CLOCK_REALTIME)
        await receiver.open(stack)
        hurry(began, speed)
        day = Day(world, folder, receiver, began, speed, hours, random.Random(seed))
        stack.callback(day.kill)
        day.write_settings()
        await day.run()
        await rest(day)
        await check(day)
    sys.stdout.write(f"{hours:g} simulated hours at {speed:g} times the speed of time, seed {seed}\n")
    for name, count in sorted(day.seen.items()):
        sys.stdout.write(f"  {name:<40}{count:>10}\n")


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        hurry(float(sys.argv[3]), float(sys.argv[4]))
        log_to_stderr()
        asyncio.run(serve(load_settings(Path(sys.argv[2]))))
        return
    hours = float(sys.argv[1]) if len(sys.argv) > 1 else 24
    speed = float(sys.argv[2]) if len(sys.argv) > 2 else 60
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(10**6)
    keep = Path(tempfile.mkdtemp(prefix="crossmargin-day-"))
    sys.stdout.write(f"log and database: {keep} (seed {seed})\n")
    sys.stdout.flush()
    log_to_stderr(logging.ERROR)
    with suppress(KeyboardInterrupt):
        asyncio.run(soak(hours, speed, seed, keep))


if __name__ == "__main__":
    main()
