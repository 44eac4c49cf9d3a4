"""Moving the prices of a fork: a contract of our own answers in place of every price source.

No block is mined for that: code and storage are replaced in the state of the head, so that the venues see the new
prices at the same block and second as the old ones, and no interest or funding comes between.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from functools import cache
from importlib.resources import files
from typing import Final

from eth_abi.abi import encode

from chains.accounts import PositionKind, VenueAccount
from chains.caip import Address, asset_address
from chains.deployments import ChainDeployment
from chains.devnet.artifacts import Artifact
from chains.devnet.solc import compile_sources
from chains.evm.abi import Function
from chains.evm.batch import Batch
from chains.evm.rpc import Request, RpcFault
from chains.forks.points import CannotMove, PricePoint, perp_markets, price_points
from chains.protocols import ChainClient, Transport
from chains.types import BlockRef
from chains.venues import perp

SOLC: Final = "0.8.26"
SETTINGS: Final = {"optimizer": {"enabled": True, "runs": 200}, "evmVersion": "paris"}
TICK_BASE: Final = Decimal("1.0001")
SETTLED_S: Final = 86_400
"""How long a moved pool looks settled: longer than any mean that Perp v2 takes."""
OBSERVATIONS_SLOT: Final = 8
"""Storage slot of ``observations`` in UniswapV3Pool of @uniswap/v3-core 1.0.1; ``slot0`` is slot 0."""

_REGISTRY = Function("getMarketRegistry()", "(address)")
_POOL = Function("getPool(address)", "(address)")
_SLOT0 = Function("slot0()", "(uint160,int24,uint16,uint16,uint16,uint8,bool)")

Moves = Mapping[str, Decimal]
"""Relative price change by risk factor, -0.2 = a fall of 20 %. Factors that are not named stand still."""


@dataclass(frozen=True, slots=True)
class PerpPool:
    """The pool of one Perp v2 market, and the storage words that hold its price."""

    pool: Address
    factor: str
    mark: Decimal
    """Price that the venue uses now."""
    slot0: int
    observation_slot: int
    observation: int


@dataclass(frozen=True, slots=True)
class Movable:
    """Everything of one forked chain that scenarios move, as it was before."""

    points: tuple[PricePoint, ...]
    pools: tuple[PerpPool, ...]


async def movable(
    client: ChainClient,
    transport: Transport,
    deployment: ChainDeployment,
    accounts: Sequence[VenueAccount],
    at: BlockRef,
) -> Movable:
    """Price sources and pools of a fork at its head; raises CannotMove."""
    points = await price_points(client, deployment, accounts, at)
    return Movable(points, await _perp_pools(client, transport, deployment, accounts, at))


async def move(transport: Transport, what: Movable, moves: Moves, at: BlockRef) -> None:
    """Put every price at its value of before times one plus its factor's move; raises CannotMove.

    Each call starts from the prices of before, so scenarios do not add up.
    """
    answers = [moved_answer(point, moves) for point in what.points]
    made = await _sent(transport, [_creation(p, a) for p, a in zip(what.points, answers, strict=True)])
    changes: list[Request] = [
        ("anvil_setCode", [point.target, code]) for point, code in zip(what.points, made, strict=True)
    ]
    for pool in what.pools:
        changes += _pool_changes(pool, moves, at)
    await _sent(transport, changes)


def moved_answer(point: PricePoint, moves: Moves) -> int:
    """The answer after the moves, in the source's own last digit; raises CannotMove for what it cannot say."""
    with localcontext(prec=60):
        ratio = (1 + moves.get(point.factor, Decimal(0))) / (1 + moves.get(point.per, Decimal(0)))
        answer = int((point.answer * ratio).to_integral_value(ROUND_HALF_EVEN))
    if answer <= 0:
        raise CannotMove(f"price source {point.target} of {point.factor}: {answer} is not a price")
    return answer


@cache
def artifact() -> Artifact:
    """Our stand-in for price sources, compiled once."""
    name = "MovedFeed"
    text = (files("chains.forks") / f"{name}.sol").read_text()
    return compile_sources(SOLC, {f"{name}.sol": text}, SETTINGS, {name: f"{name}.sol"})[name]


def _creation(point: PricePoint, answer: int) -> Request:
    """A call that creates the stand-in gives the code with its values inside, and mines nothing."""
    values = (answer, point.round_id, point.begun_at, point.updated_at, point.decimals)
    arguments = encode(("int256", "uint80", "uint256", "uint256", "uint8"), values)
    return "eth_call", [{"data": artifact().linked({}) + arguments.hex()}, "latest"]


async def _perp_pools(
    client: ChainClient,
    transport: Transport,
    deployment: ChainDeployment,
    accounts: Sequence[VenueAccount],
    at: BlockRef,
) -> tuple[PerpPool, ...]:
    bases = perp_markets(accounts)
    if not bases:
        return ()
    first, second, third = Batch(), Batch(), Batch()
    first.ask("registry", _REGISTRY, deployment.venues[perp.VENUE]["exchange"])
    await first.run(client, at)
    for base in bases:
        second.ask(base, _POOL, first.value("registry"), asset_address(base))
    await second.run(client, at)
    pools = {base: second.value(base) for base in bases}
    for base, pool in pools.items():
        third.ask(base, _SLOT0, pool)
    await third.run(client, at)
    slots = {base: OBSERVATIONS_SLOT + third.values(base)[2] for base in bases}
    wanted = [(pools[base], slot) for base in bases for slot in (0, slots[base])]
    words = await _sent(transport, [("eth_getStorageAt", [pool, hex(slot), "latest"]) for pool, slot in wanted])
    marks = _marks(accounts)
    return tuple(
        PerpPool(
            pools[base], _factor(deployment, base), marks[base], int(words[2 * i], 16), slots[base],
            int(words[2 * i + 1], 16),
        )
        for i, base in enumerate(bases)
    )  # fmt: skip


def _factor(deployment: ChainDeployment, base: str) -> str:
    return next(info.factor for info in deployment.assets if info.asset == base)


def _marks(accounts: Sequence[VenueAccount]) -> dict[str, Decimal]:
    return {
        position.asset: position.venue_price_usd
        for account in accounts
        if account.venue == perp.VENUE
        for position in account.positions
        if position.kind is PositionKind.PERP and position.venue_price_usd is not None
    }


def _pool_changes(pool: PerpPool, moves: Moves, at: BlockRef) -> list[Request]:
    """The pool at the tick next to the moved mark, its last observation so old that every mean is that tick."""
    with localcontext(prec=60):
        price = pool.mark * (1 + moves.get(pool.factor, Decimal(0)))
        tick = int((price.ln() / TICK_BASE.ln()).to_integral_value(ROUND_HALF_EVEN))
        root = int((TICK_BASE**tick).sqrt() * 2**96)
    # Packed from the low end: root 160 bits, tick 24, the rest; time 32 bits, the rest.
    slot0 = pool.slot0 >> 184 << 184 | tick % 2**24 << 160 | root
    seen = pool.observation >> 32 << 32 | (at.timestamp - SETTLED_S) % 2**32
    words = ((0, slot0), (pool.observation_slot, seen))
    return [("anvil_setStorageAt", [pool.pool, hex(slot), f"0x{word:064x}"]) for slot, word in words]


async def _sent(transport: Transport, requests: Sequence[Request]) -> list[str]:
    if not requests:
        return []
    answers = await transport.send(requests)
    for (method, _), answer in zip(requests, answers, strict=True):
        if isinstance(answer, RpcFault):
            raise CannotMove(f"{method} on the fork: {answer.message}")
    return [str(answer) for answer in answers]
