"""The market tape: steps that move prices and bridges of a running devnet by feed updates and keeper calls."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from chains.devnet import chainlink, pyth, uniswap
from chains.devnet.chain_world import ChainWorld, fresh_keys
from chains.devnet.clock import chain_s
from chains.devnet.errors import NoSuchStep
from chains.devnet.perp import PerpWorld
from chains.devnet.world import World

POLL_S = 0.05
ACROSS = "across"
"""Name of the bridge in the risk model's route table."""
BAND_TRADES = 8
"""At 10 % each, more than any step needs."""
NEAR_ENOUGH = Decimal("1e-9")
LAST_MOVE_SLOT = 214
"""Storage slot of ``_lastTickUpdatedTimestampMap`` in Exchange of @perp/curie-contract 2.8.4."""
WIDE = Decimal("0.004")
"""Pyth confidence while prices move fast, 40 bps."""


@dataclass(frozen=True)
class Step:
    """One scene: prices that are set (others stay), and the bridges that stand still from now on."""

    name: str
    about: str
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    paused_bridges: tuple[str, ...] = ()
    conf_ratio: Decimal = pyth.CONF_RATIO

    def __str__(self) -> str:
        return f"{self.name}: {self.about}"


def _prices(**values: str) -> dict[str, Decimal]:
    return {key: Decimal(value) for key, value in values.items()}


STEPS: tuple[Step, ...] = (
    Step("calm", "small moves", _prices(ETH="3012", BTC="60180")),
    Step("crash-1", "ETH -8 %, BTC -6 %", _prices(ETH="2760", BTC="56400"), (), WIDE),
    Step("crash-2", "ETH -15 %, BTC -11 %", _prices(ETH="2550", BTC="53400"), (), WIDE),
    Step("crash-3", "ETH -25 %, BTC -18 %", _prices(ETH="2250", BTC="49200"), (), WIDE),
    Step("recovery", "ETH back to -10 %, BTC to -7 %", _prices(ETH="2700", BTC="55800")),
    Step("depeg", "USDC at 0.93", _prices(USDC="0.93", DAI="0.985"), (), WIDE),
    Step("repeg", "USDC back at par", _prices(USDC="1", DAI="1")),
    Step("bridge-outage", "Across delivers nothing while ETH slips", _prices(ETH="2640"), (ACROSS,)),
    Step("all-clear", "bridges and prices are back", _prices(ETH="3000", BTC="60000")),
)
"""In order of play."""


def find(names: Sequence[str]) -> tuple[Step, ...]:
    """Steps by name in the given order, all of them for none; ``crash`` means every step that begins so."""
    found: list[Step] = []
    for name in names:
        steps = [step for step in STEPS if name in (step.name, step.name.rstrip("-123456789"))]
        if not steps:
            raise NoSuchStep(f"step: {name!r} is none of {', '.join(step.name for step in STEPS)}")
        found += steps
    return tuple(found) or STEPS


def play(world: World, step: Step | str) -> Step:
    """Bring every chain to a step's state and note it in ``world.json``."""
    steps = find([step]) if isinstance(step, str) else (step,)
    for one in steps:
        play_one(world, one)
        world.meet()
        world.note(step=one.name, paused_bridges=one.paused_bridges)
    return steps[-1]


def play_all(world: World, names: Sequence[str] = ()) -> Iterator[Step]:
    """Play steps by name (all for none), giving each when it is done."""
    for step in find(names):
        yield play(world, step)


def play_one(world: World, step: Step) -> None:
    """Bring the chains to a step's state."""
    before, after = world.file.paused_bridges, step.paused_bridges

    def work(chain: ChainWorld) -> None:
        move(chain, step.prices, step.conf_ratio)
        if chain.across is not None and (ACROSS in before) != (ACROSS in after):
            chain.across.pause(deposits=ACROSS in after, fills=ACROSS in after)

    world.each(work)


def move(world: ChainWorld, prices: Mapping[str, Decimal], conf_ratio: Decimal = pyth.CONF_RATIO) -> None:
    """New prices on one chain: feeds first, then every keeper that the venues need."""
    ctx = world.ctx
    keys = fresh_keys(ctx.number)
    wait_for_new_second(world)
    for key in keys:
        chainlink.submit(ctx, key, prices.get(key, ctx.prices[key]))
    pyth.update_many(ctx, {key: ctx.prices[key] for key in keys}, conf_ratio)
    if world.perp is not None:
        world.perp.keeper_update()
        for market in world.perp.markets:
            follow(world.perp, market)
    if world.morpho is not None:
        world.morpho.sync_oracles()
    if world.lyra is not None:
        world.lyra.update_greeks()
    uniswap.align_all(ctx)


def follow(perp: PerpWorld, market: str) -> None:
    """Arbitrage a Perp v2 pool all the way to the index.

    The venue lets a price move about 10 % per 15 seconds. The tape plays hours in seconds, so it lets those 15
    seconds pass by taking back the time of the last move; everything else is the venue's own trading.
    """
    exchange, base = perp.contracts["exchange"].address, perp.markets[market].base.address
    last_move = "0x" + keccak(encode(["address", "uint256"], [base, LAST_MOVE_SLOT])).hex()
    index = perp.ctx.prices[market]
    for _ in range(BAND_TRADES):
        mark = (Decimal(perp.markets[market].pool.functions.slot0().call()[0]) / 2**96) ** 2
        if abs(mark / index - 1) < NEAR_ENOUGH:
            break  # the venue refuses a trade of nothing
        perp.ctx.deployer.rpc("anvil_setStorageAt", exchange, last_move, "0x" + "00" * 32)
        perp.align_pool(market, index)


def wait_for_new_second(world: ChainWorld) -> None:
    """Wait until the chain's clock is past its last round.

    Within one second Perp v2 takes a second round for the first, and Pyth ignores a price that is not newer.
    """
    ctx = world.ctx
    keys = fresh_keys(ctx.number)
    last = max(
        *(ctx.feeds[key].functions.latestTimestamp().call() for key in keys),
        *(pyth.published(ctx, key) for key in keys),
    )
    while chain_s(ctx) <= last:
        time.sleep(POLL_S)
