"""Less risk: positions closed in part, collateral sold to repay. Never asked whether it may."""

from collections.abc import Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from aggregator.advice import moves
from aggregator.advice.model import Eta, StepKind
from aggregator.advice.needs import Need
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
    trade_piece,
    trade_pool,
)
from aggregator.advice.scene import Scene
from chains.accounts import Pocket, Position, PositionKind, VenueAccount
from chains.caip import ChainId, account_address
from chains.deployments import AssetInfo, ChainDeployment, TwapPool
from chains.instruments import Spot
from chains.venues.uniswap import calldata as uniswap

ROUNDS = 6
"""Withdrawals in a row at most: each is limited by what the one before has freed."""
TAKEN = Decimal("0.98")
"""Share of what the venue would let out: prices move, and interest accrues between two steps."""
SLIPPAGE = Decimal("0.02")
"""Worst price of a sale below the venue's own price of the collateral."""
LEAST_USD = Decimal(10)


def reduce(scene: Scene, need: Need, quoted_at: dict[ChainId, int]) -> Iterator[Draft]:
    """Close as much of each position as makes the account outlast the horizon."""
    account, chain = need.account, need.account.at.chain
    here, share = scene.deployments[chain], _share_to_close(need)
    eta, pieces = eta_of(scene, *at_home(scene, chain)), list[Piece]()
    for leg in account.positions:
        if leg.kind not in {PositionKind.PERP, PositionKind.OPTION} or not leg.raw:
            continue
        try:
            calls = moves.close(account, here, leg, share, quoted_at[chain] + DEADLINE_S)
        except ValueError:
            continue  # its collateral does not pay for it: no such plan
        info = here.asset(leg.asset)
        name, size = (info.symbol if info else leg.label), abs(leg.size) * share
        if calls:
            price = leg.venue_price_usd or ZERO
            pieces.append(trade_piece(StepKind.REDUCE, account, name, size, price, eta, calls))
    if pieces:
        about = f"close {100 * share:.0f} % of every position, reduce-only"
        yield draft("reduce", about, need, pieces, both_days(scene, *at_home(scene, chain)), need.usd)


def _share_to_close(need: Need) -> Decimal:
    """What must be held falls in proportion to what stays open, S stays: 1 - S / wanted; all if S is gone."""
    wanted = need.surplus_usd + need.usd
    if need.surplus_usd <= 0 or wanted <= 0:
        return Decimal(1)
    share = (1 - need.surplus_usd / wanted) * SPARE + Decimal("0.01")
    return min(Decimal(1), max(Decimal("0.01"), share.quantize(Decimal("0.01"), ROUND_CEILING)))


def sell_collateral(scene: Scene, need: Need, quoted_at: dict[ChainId, int]) -> Iterator[Draft]:
    """Withdraw what the loan does not need, sell it for the token that is owed, repay, and again.

    Each round frees more than the one before: a dollar repaid lets 1 / threshold dollars out. Proposed where the
    deployment names a router and a pool of the two tokens.
    """
    account, chain = need.account, need.account.at.chain
    here = scene.deployments[chain]
    owed, held = moves.target(account, here), _largest(account, here)
    if account.venue not in {moves.AAVE, moves.MORPHO} or owed is None or held is None:
        return
    token, debt = owed
    leg, pocket, sold = held
    pool = trade_pool(here, sold, token)
    if pool is None:
        return
    amounts = _rounds(need, leg, pocket, abs(debt.size))
    eta, pieces = eta_of(scene, *at_home(scene, chain)), list[Piece]()
    for usd in amounts:
        pieces += _round(account, here, (leg, sold), (debt, token), pool, usd, quoted_at[chain] + DEADLINE_S, eta)
    if pieces:
        total = sum(amounts, ZERO)
        about = (
            f"sell {total:,.0f} USD of {sold.symbol} collateral in {len(amounts)} rounds and repay {token.symbol}"
        )
        yield draft("sell-collateral", about, need, pieces, both_days(scene, *at_home(scene, chain)), total)


def _largest(account: VenueAccount, here: ChainDeployment) -> tuple[Position, Pocket, AssetInfo] | None:
    """Collateral that backs the debt and may leave, the most valuable first."""
    found = []
    for pocket in account.withdrawal.pockets if account.withdrawal else ():
        if not (isinstance(pocket.token, Spot) and 0 < pocket.weight < 1 and pocket.token.venue_price_usd):
            continue
        info = here.asset(pocket.token.asset)
        legs = [
            p for p in account.positions if p.kind is PositionKind.COLLATERAL and p.asset == pocket.token.asset
        ]
        if info is not None and legs:
            found.append((pocket.units * pocket.token.venue_price_usd, legs[0], pocket, info))
    return max(found, key=lambda one: one[0])[1:] if found else None


def _rounds(need: Need, leg: Position, pocket: Pocket, owed: Decimal) -> list[Decimal]:
    """Dollars of collateral by round, at the venue's price, until the surplus has grown by what is needed.

    A dollar sold brings what the sale pays and costs its weight; no more is sold than ``owed`` takes.
    """
    price, gain = leg.venue_price_usd or ZERO, 1 - SLIPPAGE - pocket.weight
    left = min(pocket.units * price, TAKEN * owed / (1 - SLIPPAGE))
    room, wanted, found = need.surplus_usd, need.usd * SPARE, list[Decimal]()
    while gain > 0 and len(found) < ROUNDS:
        usd = min(left, TAKEN * room / pocket.weight, wanted / gain)
        if usd < LEAST_USD:
            break
        found.append(usd)
        left, room, wanted = left - usd, room + usd * gain, wanted - usd * gain
    return found


def _round(
    account: VenueAccount, here: ChainDeployment, held: tuple[Position, AssetInfo],
    owed: tuple[Position, AssetInfo], pool: TwapPool, usd: Decimal, deadline: int, eta: Eta,
) -> Iterator[Piece]:  # fmt: skip
    (leg, sold), (debt, token) = held, owed
    price = leg.venue_price_usd or Decimal(1)
    raw = int((usd / price).scaleb(sold.decimals).to_integral_value(ROUND_FLOOR))
    amount = Decimal(raw).scaleb(-sold.decimals)
    out = moves.take_out(account, here, sold, leg, raw)
    yield trade_piece(StepKind.WITHDRAW, account, sold.symbol, amount, price, eta, out)
    least = raw_of(usd * (1 - SLIPPAGE), token, ROUND_FLOOR)
    owner = account_address(account.account)
    swap = uniswap.sell(owner, here, sold, token, pool.fee, raw, least, deadline)
    yield trade_piece(StepKind.SWAP, account, sold.symbol, amount, price, eta, swap)
    kind, taken, calls = moves.pay_in(account, here, token, debt, least)
    yield piece(kind, account, token, taken, ZERO, eta, calls)
