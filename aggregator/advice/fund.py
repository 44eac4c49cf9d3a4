"""Money from elsewhere: withdraw, bridge, deposit or repay."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from aggregator.advice import moves
from aggregator.advice.model import StepKind
from aggregator.advice.needs import Need, horizon_loss
from aggregator.advice.pieces import SPARE, ZERO, Draft, Piece, at_home, both_days, draft, eta_of, piece, raw_of
from aggregator.advice.scene import Scene
from aggregator.rounding import down
from chains.caip import ChainId, account_address
from chains.deployments import AssetInfo
from chains.types import Position, PositionKind, VenueAccount
from chains.venues.across import calldata as across
from risk.latency import AT_ONCE, Knots

WALLET, ACROSS = "wallet", "across"
BPS = 10_000
LEAST_USD = 1


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """Money somewhere that one token's holder could send."""

    holder: VenueAccount
    token: AssetInfo
    leg: Position
    usd: Decimal
    calm: Knots
    bad: Knots
    fee_bps: float = 0.0
    """Of the bridge; 0 on the account's own chain."""
    bridge: str = ""


def fund(scene: Scene, need: Need, quoted_at: dict[ChainId, int]) -> Draft | None:
    """Send what is missing, soonest first; None where nothing can come before the account is liquidated."""
    target = moves.target(need.account, scene.deployments[need.account.at.chain])
    if target is None:
        return None
    token, leg = target
    left, pieces, lag = need.usd * SPARE, list[Piece](), AT_ONCE
    for source in _sources(scene, need, token):
        if left <= 0:
            break
        amount = min(left, source.usd)
        pieces += _send(scene, need, source, token, leg, amount, quoted_at)
        left -= amount * (1 - Decimal(str(source.fee_bps)) / BPS)
        lag = both_days(scene, source.calm, source.bad)
    if not pieces:
        return None
    covered = need.usd * SPARE - max(ZERO, left)
    verb = "repay" if leg.kind is PositionKind.DEBT else "deposit"
    return draft("fund", f"send {covered:,.0f} USD of {token.symbol} and {verb} it", need, pieces, lag, covered)


def _sources(scene: Scene, need: Need, token: AssetInfo) -> list[_Source]:
    """Holders of the same token, soonest first; only what arrives before the account is liquidated."""
    found = [s for account in scene.accounts for s in _held(scene, need, account, token)]
    confidence = scene.model.settings.confidence
    in_time = [s for s in found if s.bad.quantile(confidence) <= need.ttl_s]
    return sorted(in_time, key=lambda s: (s.bad.quantile(confidence), s.bridge, s.holder.venue != WALLET, -s.usd))


def _held(scene: Scene, need: Need, account: VenueAccount, token: AssetInfo) -> Iterator[_Source]:
    place = scene.help.place.get(account.id)
    if account.id == need.account.id or place is None or account.venue not in {WALLET, *moves.FUNDABLE}:
        return
    free = _free(scene, account, place)
    here = scene.deployments[account.at.chain]
    for leg in account.positions:
        info = here.asset(leg.asset)
        held = leg.kind in {PositionKind.HOLDING, PositionKind.COLLATERAL} and leg.raw > 0
        if info is None or not held or (info.symbol, info.peg) != (token.symbol, token.peg):
            continue
        usd = min(free, leg.size)
        if usd <= LEAST_USD:
            continue
        if account.at.chain == need.account.at.chain:
            if account_address(account.account) == account_address(need.account.account):
                yield _Source(account, info, leg, usd, *at_home(scene, account.at.chain))
        else:
            yield from _by_bridge(scene, need, account, info, leg, usd)


def _free(scene: Scene, account: VenueAccount, place: int) -> Decimal:
    """What its venue lets out and its own horizon does not need: nobody is robbed to save another."""
    free = down(float(scene.help.movable_usd[place]))
    if not account.mm_requirement_usd or account.surplus_usd is None:
        return free
    return min(free, account.surplus_usd - horizon_loss(scene, account))


def _by_bridge(
    scene: Scene, need: Need, account: VenueAccount, info: AssetInfo, leg: Position, usd: Decimal
) -> Iterator[_Source]:
    """By Across, whose deposits can be encoded; the recipient is the same address on the other chain."""
    if account_address(account.account) != account_address(need.account.account):
        return
    for way in scene.model.mobility(scene.paused).between(account.at.chain, need.account.at.chain):
        if way.route.bridge == ACROSS:
            amount = min(usd, Decimal(str(way.route.capacity_usd)))
            yield _Source(account, info, leg, amount, way.calm, way.stress, way.route.fee_bps, ACROSS)


def _send(
    scene: Scene, need: Need, source: _Source, token: AssetInfo, leg: Position, usd: Decimal,
    quoted_at: dict[ChainId, int],
) -> Iterator[Piece]:  # fmt: skip
    """Withdraw if it is inside a venue, bridge if it is elsewhere, then deposit or repay."""
    holder, here = source.holder, scene.deployments[source.holder.at.chain]
    raw = raw_of(usd, source.token, ROUND_FLOOR)
    now = eta_of(scene, *at_home(scene, holder.at.chain))
    later = eta_of(scene, source.calm, source.bad)
    if calls := moves.take_out(holder, here, source.token, source.leg, raw):
        yield piece(StepKind.WITHDRAW, holder, source.token, raw, ZERO, now, calls)
    arriving = raw
    if source.bridge:
        arriving = across.received_raw(raw, source.fee_bps)
        to = need.account.at.chain
        calls = across.deposit(
            account_address(holder.account), here, source.token, token, to, raw, source.fee_bps,
            quoted_at[holder.at.chain],
        )  # fmt: skip
        fee = Decimal(raw - arriving).scaleb(-source.token.decimals)
        yield piece(StepKind.BRIDGE, holder, source.token, raw, fee, later, calls, f"across to {to}")
    there = scene.deployments[need.account.at.chain]
    kind, taken, calls = moves.pay_in(need.account, there, token, leg, arriving)
    yield piece(kind, need.account, token, taken, ZERO, later, calls)
