"""The four chains of the devnet: built in one process with a thread each, driven from any process."""

import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from chains.caip import ChainId, chain_id
from chains.deployments import ChainDeployment
from chains.devnet import anvil, cast, chain_world, keep, worldfile
from chains.devnet.chain_world import CHAINS, ChainWorld, Stages
from chains.devnet.clock import BOOT_LEAD_S, chain_s, mine_at, to_present, wall_s
from chains.devnet.context import ChainContext
from chains.devnet.deploy import Deployer
from chains.devnet.worldfile import NodeInfo, Portfolio, WorldFile

ACCOUNTS = 64
"""Unlocked accounts of anvil's public test mnemonic; the cast takes the later ones."""
START = "start"
SWITCH_INTERVAL_S = 0.0005
T = TypeVar("T")
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Snapshot:
    """State to come back to."""

    ids: Mapping[int, str]
    prices: Mapping[int, dict[str, Any]]
    file: WorldFile


@dataclass
class World:
    """The running devnet."""

    state_dir: Path
    file: WorldFile
    chains: dict[int, ChainWorld]
    anvils: tuple[anvil.Anvil, ...] = ()
    """Processes that this object started and ends; empty where it attached to a running world."""
    stages: dict[int, dict[str, float]] = field(default_factory=dict)
    """Seconds that building took, by chain and stage."""

    @property
    def deployments(self) -> Mapping[ChainId, ChainDeployment]:
        """What readers need, by chain."""
        return self.file.deployments

    @property
    def portfolios(self) -> tuple[Portfolio, ...]:
        """The cast."""
        return self.file.portfolios

    @property
    def rpc_urls(self) -> dict[ChainId, str]:
        """HTTP endpoints by chain."""
        return {info.chain: info.http_url for info in self.file.nodes}

    def heads(self) -> dict[ChainId, int]:
        """Number of the newest block by chain."""
        found = self.each(lambda chain: (chain.ctx.chain, int(chain.ctx.deployer.rpc("eth_blockNumber"), 16)))
        return dict(found.values())

    def each(self, work: Callable[[ChainWorld], T]) -> dict[int, T]:
        """Do something on every chain at once; the first error is raised when all have ended."""
        return on_all(self.chains, lambda number: work(self.chains[number]))

    def refresh(self) -> None:
        """Keeper: new rounds at the present prices, so that a demo longer than a heartbeat stays fresh."""
        self.each(chain_world.refresh)
        self.meet()

    def meet(self) -> None:
        """Mine a block of one timestamp on every chain, so that one cut shows all that was done until now.

        Mined on demand, a chain without news stays at an old head, and a cut of small skew would then take old
        blocks of the others too.
        """
        stamp = max(self.each(lambda chain: chain_s(chain.ctx)).values())
        self.each(lambda chain: mine_at(chain.ctx, stamp))

    def pass_time(self, seconds: int) -> None:
        """Put all clocks forward, for tests that cannot wait; a revert or time itself brings them back."""
        stamp = max(self.each(lambda chain: chain_s(chain.ctx)).values()) + seconds
        self.each(lambda chain: mine_at(chain.ctx, stamp))

    def note(self, *, step: str | None = None, paused_bridges: tuple[str, ...] | None = None) -> None:
        """Write into ``world.json`` which step was played and which bridges stand still."""
        changes: dict[str, Any] = {"step": step, "paused_bridges": paused_bridges}
        given = {name: value for name, value in changes.items() if value is not None}
        self.file = replace(self.file, **given)
        worldfile.write(self.state_dir, self.file)

    def snapshot(self) -> Snapshot:
        """Remember the state of all chains; an id serves one ``revert``."""
        ids = self.each(lambda chain: str(chain.ctx.deployer.rpc("evm_snapshot")))
        return Snapshot(ids, {n: dict(chain.ctx.prices) for n, chain in self.chains.items()}, self.file)

    def revert(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot, with the clocks at the present."""
        self.each(lambda chain: _revert(chain.ctx, snapshot))
        self.meet()
        self.file = snapshot.file
        worldfile.write(self.state_dir, self.file)

    def stop(self) -> None:
        """End the processes that this object started."""
        for node in self.anvils:
            node.stop()
        if self.anvils:
            keep.remove(self.state_dir)


def _revert(ctx: ChainContext, snapshot: Snapshot) -> None:
    if ctx.deployer.rpc("evm_revert", snapshot.ids[ctx.number]) is not True:
        raise anvil.AnvilError(f"chain {ctx.number}: snapshot {snapshot.ids[ctx.number]} was used already")
    ctx.prices = dict(snapshot.prices[ctx.number])
    to_present(ctx)


def build(
    state_dir: Path,
    *,
    block_time_s: int | None = None,
    ports: Mapping[int, int] | None = None,
    on_progress: Progress = lambda _: None,
) -> World:
    """Start and populate the four chains, place the cast and write ``world.json``.

    With ``block_time_s`` blocks also come by the clock, so that heads keep moving; transactions are mined at once
    either way. Raises AnvilError or DeployError, with every process ended.
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    started_at = wall_s()
    extra = ["--timestamp", str(started_at - BOOT_LEAD_S), "--accounts", str(ACCOUNTS)]
    if block_time_s:
        extra += ["--block-time", str(block_time_s), "--mixed-mining"]
    nodes: dict[int, anvil.Anvil] = {}
    stages = {number: Stages() for number in CHAINS}

    def populate(number: int) -> ChainWorld:
        with stages[number].time("anvil"):
            node = anvil.start(number, port=(ports or {}).get(number), extra=extra)
            nodes[number] = node
        ctx = ChainContext(number, Deployer(node.http_url))
        world = chain_world.populate(ctx, stages[number])
        on_progress(f"{CHAINS[number]}: {ctx.deployer.transactions} transactions")
        return world

    try:
        chains = on_all(CHAINS, populate)
        _cast(chains, stages)
        file = _file(chains, nodes, started_at, block_time_s)
        keep.write(state_dir, chains)
        worldfile.write(state_dir, file)
        seconds = {number: timed.seconds for number, timed in stages.items()}
        world = World(state_dir, file, chains, tuple(nodes.values()), seconds)
        world.meet()
    except BaseException:
        for node in nodes.values():
            node.stop()
        raise
    return world


def _cast(chains: Mapping[int, ChainWorld], stages: Mapping[int, Stages]) -> None:
    """Place the cast once every chain is there, because transfers need both ends."""

    def place(number: int) -> None:
        world = chains[number]
        if world.across is not None:
            world.across.connect(other.ctx for other in chains.values() if other is not world)
        with stages[number].time("cast"):
            cast.place(world)

    on_all(chains, place)


def attach(state_dir: Path) -> World:
    """The running devnet of a folder, from another process; raises NoWorld or AnvilError."""
    file = worldfile.read(state_dir)
    return World(state_dir, file, keep.read(state_dir, file))


def _file(
    chains: Mapping[int, ChainWorld], nodes: Mapping[int, anvil.Anvil], started_at: int, block_time_s: int | None
) -> WorldFile:
    infos = tuple(
        NodeInfo(chain_id(number), CHAINS[number], nodes[number].port, nodes[number].process.pid)
        for number in CHAINS
    )
    deployments = {chains[number].ctx.chain: chain_world.describe(chains[number]) for number in CHAINS}
    portfolios = cast.portfolios(chains[1].ctx.deployer.accounts)
    return WorldFile(worldfile.FORMAT, started_at, block_time_s, START, (), infos, portfolios, deployments)


def on_all(numbers: Mapping[int, Any], work: Callable[[int], T]) -> dict[int, T]:
    """Results by chain of work done on all chains at once; the first error is raised when all have ended."""
    with _quick_turns(), ThreadPoolExecutor(len(numbers)) as pool:
        futures = {number: pool.submit(work, number) for number in numbers}
    return {number: future.result() for number, future in futures.items()}


@contextmanager
def _quick_turns() -> Iterator[None]:
    """Hand the interpreter from thread to thread sooner.

    A thread that has its answer waits up to one interval for its turn, and the chain with the most transactions
    decides how long building takes: at the default of 5 ms that cost a third of the time (measured).
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
