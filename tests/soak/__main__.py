"""``make soak``: an indexing process on the four devnet chains under random reorgs, faults and kill -9.

python -m tests.soak [minutes] [seed]. Ends with the store compared with a fresh full read of every chain.
"""

import asyncio
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from aggregator.store.index_store import SqlIndexStore
from chains.caip import ChainId, chain_id
from chains.devnet import control, worldfile
from chains.devnet.world import World, build
from tests.kit.fault_proxy import FaultProxy, fault_proxy
from tests.kit.index_chains import Bench, clients_of, file_store
from tests.soak.acts import Actors, random_fault

REST_LIMIT_S = 120


@dataclass
class Soak:
    """One run."""

    world: World
    folder: Path
    proxies: Mapping[ChainId, FaultProxy]
    rng: random.Random
    seen: Counter = field(default_factory=Counter)
    depths: list[int] = field(default_factory=list)
    child: subprocess.Popen | None = None
    kill_at: float = 0.0

    async def run(self, minutes: float) -> None:
        actors, end = Actors(self.world, self.rng), time.monotonic() + 60 * minutes
        self.start()
        while time.monotonic() < end:
            await asyncio.to_thread(actors.act)
            await self.trouble()
            if self.child.poll() is not None:
                raise AssertionError(f"the indexing process ended by itself with {self.child.returncode}")
        for proxy in self.proxies.values():
            proxy.heal()
        await asyncio.to_thread(self.world.meet)
        await self.rest()
        self.kill()
        self.seen |= Counter({f"acts: {name}": count for name, count in actors.done.items()})
        self.seen["acts refused"] = actors.refused

    async def trouble(self) -> None:
        """With some chance one thing goes wrong, or two chains at once."""
        chance = self.rng.random()
        if chance < 0.10:
            for chain in self.rng.sample(list(self.world.chains), self.rng.choice((1, 1, 2))):
                await asyncio.to_thread(self.reorg, chain)
        elif chance < 0.13:
            chain, depth = self.rng.choice(list(self.world.chains.values())), self.rng.randrange(1, 9)
            await asyncio.to_thread(chain.ctx.deployer.rpc, "anvil_rollback", depth)
            self.seen["rollbacks"] += 1
        elif chance < 0.20:
            name, fault = random_fault(self.rng)
            proxy = self.rng.choice(list(self.proxies.values()))
            proxy.fault = fault
            self.seen[f"fault: {name}"] += 1
            asyncio.get_running_loop().call_later(self.rng.uniform(0.3, 4), proxy.heal)
        elif chance < 0.23:
            self.rng.choice(list(self.proxies.values())).drop_sockets()
            self.seen["fault: WebSocket dropped"] += 1
        elif chance < 0.245:
            proxy = self.rng.choice(list(self.proxies.values()))
            await proxy.die()
            await asyncio.sleep(self.rng.uniform(0.1, 2))
            await proxy.revive()
            self.seen["fault: endpoint dead"] += 1
        if time.monotonic() > self.kill_at:
            self.kill()
            self.start()
            self.seen["kill -9"] += 1

    def reorg(self, number: int) -> None:
        depth = self.rng.choice((1, 1, 2, 3, 5, 8, 13, 21, 34, 64))
        self.world.chains[number].ctx.deployer.rpc("anvil_reorg", depth, [])
        self.depths.append(depth)

    def start(self) -> None:
        log = (self.folder / "index.log").open("ab")
        command = [str(Path(sys.executable).with_name("crossmargin")), "index", "--config"]
        # It takes seconds to start on a busy machine: time enough to do something worth killing.
        self.kill_at = time.monotonic() + self.rng.uniform(15, 40)
        self.child = subprocess.Popen([*command, str(self.folder / "soak.toml")], stderr=log, stdout=log)
        log.close()

    def kill(self) -> None:
        if self.child is not None:
            self.child.send_signal(signal.SIGKILL)
            self.child.wait()

    async def rest(self) -> None:
        """Wait until the process has indexed every head and read every dirty account."""
        store = await file_store(self.folder / "index.db")
        index, calm = SqlIndexStore(store), 0
        try:
            async with asyncio.timeout(REST_LIMIT_S):
                while calm < 3:
                    await asyncio.sleep(0.5)
                    calm = calm + 1 if await self.at_rest(index) else 0
        finally:
            await store.close()

    async def at_rest(self, index: SqlIndexStore) -> bool:
        for number, chain in self.world.chains.items():
            head = chain.ctx.deployer.rpc("eth_getBlockByNumber", "latest", False)
            anchors = await index.load(chain_id(number))
            if not anchors or anchors[-1].hash != str(head["hash"]):
                return False
            if await index.pick(chain_id(number), dirty=True, limit=1):
                return False
        return True

    def write_settings(self) -> None:
        lines = [
            f'deployments = "{worldfile.path_of(self.world.state_dir)}"',
            f'database = "sqlite+aiosqlite:///{self.folder}/index.db"',
            "[index]", "sample = 100", "sample_interval_s = 3", "poll_s = 0.5",
        ]  # fmt: skip
        for chain, proxy in self.proxies.items():
            lines += [f'[chains."{chain}"]', f'rpc_urls = ["{proxy.url}", "{proxy.ws_url}"]']
            lines += ["index_from_block = 0", "rate_per_s = 1000", "timeout_s = 2"]
        (self.folder / "soak.toml").write_text("\n".join(lines) + "\n")


async def soak(minutes: float, seed: int, folder: Path) -> None:
    control.fetch()
    world = await asyncio.to_thread(build, folder / "devnet")
    world.each(lambda chain: chain.ctx.deployer.rpc("anvil_mine", hex(80)))  # no reorg reaches the deployment
    async with AsyncExitStack() as stack:
        stack.callback(world.stop)
        proxies = {
            chain: await stack.enter_async_context(fault_proxy(url)) for chain, url in world.rpc_urls.items()
        }
        run = Soak(world, folder, proxies, random.Random(seed))
        stack.callback(run.kill)
        run.write_settings()
        await run.run(minutes)
        await compare(run)
        report(run, minutes, seed)


async def compare(run: Soak) -> None:
    """The store equals a fresh full read of every chain, asked without the proxies."""
    store = await file_store(run.folder / "index.db")
    try:
        async with clients_of({chain: [url] for chain, url in run.world.rpc_urls.items()}) as clients:
            bench = Bench(clients, run.world.deployments, store)
            await bench.must_be_fresh()
            run.seen["accounts equal to a fresh read"] = sum([len(await bench.rows(chain)) for chain in clients])
    finally:
        await store.close()


def report(run: Soak, minutes: float, seed: int) -> None:
    text = (run.folder / "index.log").read_text(errors="replace")
    for name, pattern in (
        ("reorgs taken back", r"reorg, \d+ blocks taken back"), ("told: index fails", "the index fails"),
        ("told: works again", "the index works again"), ("unforeseen", "something unforeseen"),
        ("drift", "changed without an event"), ("malformed logs", "not what their signature"),
    ):  # fmt: skip
        run.seen[name] = len(re.findall(pattern, text))
    run.seen["reorgs made"], run.seen["deepest reorg"] = len(run.depths), max(run.depths, default=0)
    sys.stdout.write(f"soak of {minutes:g} minutes, seed {seed}\n")
    for name, count in sorted(run.seen.items()):
        sys.stdout.write(f"  {name:<34}{count:>8}\n")
    assert run.seen["drift"] == 0, "an account changed without an event"
    assert run.seen["unforeseen"] == 0, "an exception that is not of the chain layer"
    sys.stdout.write("the store equals a fresh full read of all four chains\n")


def main() -> None:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**6)
    keep = Path(tempfile.mkdtemp(prefix="crossmargin-soak-"))
    sys.stdout.write(f"log and database: {keep} (seed {seed})\n")
    with suppress(KeyboardInterrupt):
        asyncio.run(soak(minutes, seed, keep))


if __name__ == "__main__":
    main()
