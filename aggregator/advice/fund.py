"""Money from elsewhere: withdraw, bridge, deposit or repay."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal

from aggregator.advice import moves
from aggregator.advice.model import StepKind
from aggregator.advice.needs import Need, horizon_loss
from aggregator.advice.pieces import (
    DEADLINE_S,
    SPARE,
    ZERO,
    Draft,
    Piece,
    at_home,
    both_days,
    draft,
    eta_of,
    piece,
    raw_of,
    trade_pool,
)
from aggregator.advice.scene import Scene
from aggregator.rounding import down
from chains.accounts import Position, PositionKind, VenueAccount
from chains.caip import ChainId, account_address
from chains.deployments import AssetInfo, TwapPool
from chains.venues.across import calldata as across
from chains.venues.uniswap import calldata as uniswap
from risk.latency import AT_ONCE, Knots

WALLET, ACROSS = "wallet", "across"
BPS = 10_000
LEAST_USD = 1
SLIPPAGE = Decimal("0.01")
"""Worst price of one dollar token in another."""


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """Money somewhere that one token's holder could send."""

    holder: VenueAccount
    token: AssetInfo
    leg: Position
    free: Decimal
    """What may leave its holder, in whatever tokens, dollars."""
    usd: Decimal
    calm: Knots
    bad: Knots
    arriving: AssetInfo
    """The same token on the account's chain."""
    pool: TwapPool | None
    """Where it is changed into the account's token; None where it is that token."""
    fee_bps: float = 0.0
    """Of the bridge; 0 on the account's own chain."""
    bridge: str = ""

    @property
    def kept(self) -> Decimal:
        """Share that reaches the account at worst."""
        return (1 - Decimal(str(self.fee_bps)) / BPS) * (1 - (SLIPPAGE if self.pool else ZERO))


def funds(scene: Scene, need: Need, quoted_at: dict[ChainId, int]) -> Iterator[Draft]:
    """Send what is missing, soonest first; where its own token does not suffice, other dollar tokens too.

    Nothing where nothing can come before the account is liquidated.
    """
    plain = _fund(scene, need, quoted_at, others=False)
    if plain is not None:
        yield plain
    if plain is None or plain.covers_usd < need.usd:
        mixed = _fund(scene, need, quoted_at, others=True)
        if mixed is not None and any(step.kind is StepKind.SWAP for step in mixed.steps):
            yield mixed


def _fund(scene: Scene, need: Need, quoted_at: dict[ChainId, int], *, others: bool) -> Draft | None:
    target = moves.target(need.account, scene.deployments[need.account.at.chain])
    if target is None:
        return None
    token, leg = target
    left, pieces, lag = need.usd * SPARE, list[Piece](), AT_ONCE
    free: dict[str, Decimal] = {}
    for source in _sources(scene, need, token, others=others):
        if left <= 0:
            break
        wanted = left if source.pool is None else left / source.kept
        amount = min(wanted, source.usd, free.setdefault(source.holder.id, source.free))
        if amount <= LEAST_USD:
            continue
        free[source.holder.id] -= amount  # shared by all its tokens, and by all ways that they may go
        pieces += _send(scene, need, source, token, leg, amount, quoted_at)
        left -= amount * source.kept
        lag = both_days(scene, source.calm, source.bad)
    if not pieces:
        return None
    covered = need.usd * SPARE - max(ZERO, left)
    verb = "repay" if leg.kind is PositionKind.DEBT else "deposit"
    return draft("fund", f"send {covered:,.0f} USD of {token.symbol} and {verb} it", need, pieces, lag, covered)


def _sources(scene: Scene, need: Need, token: AssetInfo, *, others: bool) -> list[_Source]:
    """Holders of the token, then of others, soonest first; only what arrives before the account is liquidated."""
    found = [s for account in scene.accounts for s in _held(scene, need, account, token)]
    confidence = scene.model.settings.confidence
    fit = [s for s in found if s.bad.quantile(confidence) <= need.ttl_s and (others or s.pool is None)]

    def order(s: _Source) -> tuple[bool, float, str, bool, Decimal]:
        return s.pool is not None, s.bad.quantile(confidence), s.bridge, s.holder.venue != WALLET, -s.usd

    return sorted(fit, key=order)


def _held(scene: Scene, need: Need, account: VenueAccount, token: AssetInfo) -> Iterator[_Source]:
    place = scene.help.place.get(account.id)
    if account.id == need.account.id or place is None or account.venue not in {WALLET, *moves.FUNDABLE}:
        return
    free = _free(scene, account, place)
    here, there = scene.deployments[account.at.chain], scene.deployments[need.account.at.chain]
    if account_address(account.account) != account_address(need.account.account):
        return
    for leg in account.positions:
        info, usd = here.asset(leg.asset), min(free, leg.size)
        held = leg.kind in {PositionKind.HOLDING, PositionKind.COLLATERAL} and leg.raw > 0
        if info is None or not held or info.peg != token.peg or usd <= LEAST_USD:
            continue
        arriving = next((one for one in there.assets if (one.symbol, one.peg) == (info.symbol, info.peg)), None)
        if arriving is None:
            continue
        pool = None if arriving.asset == token.asset else trade_pool(there, arriving, token)
        if arriving.asset != token.asset and pool is None:
            continue
        if here is there:
            yield _Source(account, info, leg, free, usd, *at_home(scene, account.at.chain), arriving, pool)
        else:
            yield from _by_bridge(
                scene, need, _Source(account, info, leg, free, usd, AT_ONCE, AT_ONCE, arriving, pool)
            )


def _free(scene: Scene, account: VenueAccount, place: int) -> Decimal:
    """What its venue lets out and its own horizon does not need: nobody is robbed to save another."""
    free = down(float(scene.help.movable_usd[place]))
    if not account.mm_requirement_usd or account.surplus_usd is None:
        return free
    return min(free, account.surplus_usd - horizon_loss(scene, account))


def _by_bridge(scene: Scene, need: Need, source: _Source) -> Iterator[_Source]:
    """By Across, whose deposits can be encoded; the recipient is the same address on the other chain."""
    for way in scene.model.mobility(scene.paused).between(source.holder.at.chain, need.account.at.chain):
        if way.route.bridge == ACROSS:
            usd = min(source.usd, Decimal(str(way.route.capacity_usd)))
            fee = way.route.fee_bps
            yield replace(source, usd=usd, calm=way.calm, bad=way.stress, fee_bps=fee, bridge=ACROSS)


def _send(
    scene: Scene, need: Need, source: _Source, token: AssetInfo, leg: Position, usd: Decimal,
    quoted_at: dict[ChainId, int],
) -> Iterator[Piece]:  # fmt: skip
    """Withdraw if it is inside a venue, bridge if it is elsewhere, change if it is another token, then pay in."""
    holder, here = source.holder, scene.deployments[source.holder.at.chain]
    raw = raw_of(usd, source.token, ROUND_FLOOR)
    now = eta_of(scene, *at_home(scene, holder.at.chain))
    later = eta_of(scene, source.calm, source.bad)
    if calls := moves.take_out(holder, here, source.token, source.leg, raw):
        yield piece(StepKind.WITHDRAW, holder, source.token, raw, ZERO, now, calls)
    arriving = raw
    if source.bridge:
        arriving = across.received_raw(raw, source.fee_bps, source.token, source.arriving)
        to = need.account.at.chain
        calls = across.deposit(
            account_address(holder.account), here, source.token, source.arriving, to, raw, source.fee_bps,
            quoted_at[holder.at.chain],
        )  # fmt: skip
        came = Decimal(arriving).scaleb(-source.arriving.decimals)
        fee = Decimal(raw).scaleb(-source.token.decimals) - came
        yield piece(StepKind.BRIDGE, holder, source.token, raw, fee, later, calls, f"across to {to}")
    there, owner = scene.deployments[need.account.at.chain], account_address(need.account.account)
    if source.pool is not None:
        usd, sold = Decimal(arriving).scaleb(-source.arriving.decimals), arriving
        arriving = raw_of(usd * (1 - SLIPPAGE), token, ROUND_FLOOR)
        deadline = quoted_at[need.account.at.chain] + DEADLINE_S
        swap = uniswap.sell(owner, there, source.arriving, token, source.pool.fee, sold, arriving, deadline)
        yield piece(StepKind.SWAP, need.account, source.arriving, sold, ZERO, later, swap)
    kind, taken, calls = moves.pay_in(need.account, there, token, leg, arriving)
    yield piece(kind, need.account, token, taken, ZERO, later, calls)
