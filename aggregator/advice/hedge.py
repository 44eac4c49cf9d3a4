"""Hedges of the whole portfolio: delta by a perpetual that is held anyway, then vega by Lyra's options.

Nothing is proposed below a tenth of the gross exposure.
"""

from collections.abc import Iterator
from decimal import ROUND_FLOOR, Decimal

import numpy as np

from aggregator.advice import moves
from aggregator.advice.model import StepKind
from aggregator.advice.needs import Need, all_needs
from aggregator.advice.pieces import DEADLINE_S, ZERO, Draft, Piece, at_home, draft, eta_of, trade_piece
from aggregator.advice.scene import Scene
from chains.accounts import Position, PositionKind, VenueAccount
from chains.caip import ChainId, erc20
from chains.deployments import AssetInfo, ChainDeployment
from chains.venues.lyra import calldata as lyra
from chains.venues.perp import calldata as perp
from risk.arrays import F64

LEAST_HEDGE = 0.1
LEAST_DELTA_USD = 10.0
LEAST_SHARE = 0.01
WAD = 18


def hedges(scene: Scene, quoted_at: dict[ChainId, int]) -> Iterator[Draft]:
    """Per factor: delta alone, then delta and vega together, the delta being what remains after the options."""
    rows = [scene.assembled.rows[a.id] for a in scene.accounts if a.id in scene.assembled.rows]
    greeks, names = scene.figures.greeks, scene.assembled.arrays.factors.names
    stable = scene.assembled.arrays.factors.is_stable
    delta, vega = greeks.delta_usd[rows].sum(axis=0), greeks.vega_usd[rows].sum(axis=0)
    for factor in np.flatnonzero(_large(greeks.delta_usd[rows]) & ~stable):
        if found := _delta(scene, names[factor], float(delta[factor]), quoted_at):
            need, pieces = found
            about = f"trade {pieces[0][0].amount:.4f} {names[factor]} of perpetual against the portfolio's delta"
            yield _draft(scene, "hedge-delta", about, need, pieces)
    for factor in np.flatnonzero(_large(greeks.vega_usd[rows]) & ~stable):
        yield from _vega(scene, int(factor), float(delta[factor]), float(vega[factor]), quoted_at)


def _large(by_account: F64) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    net, gross = np.abs(by_account.sum(axis=0)), np.abs(by_account).sum(axis=0)
    return np.asarray(net > LEAST_HEDGE * gross, dtype=np.bool_)


def _draft(scene: Scene, name: str, about: str, need: Need, pieces: list[Piece]) -> Draft:
    return draft(name, about, need, pieces, at_home(scene, need.account.at.chain)[0], ZERO)


# --- delta ---


def _delta(
    scene: Scene, factor: str, delta_usd: float, quoted_at: dict[ChainId, int], *, either_way: bool = False
) -> tuple[Need, list[Piece]] | None:
    """A trade against the delta in the first account that holds such a perpetual.

    Against the leg's own side it would be a reduction, which is a plan of its own, except ``either_way``.
    """
    for account in scene.accounts:
        here = scene.deployments[account.at.chain]
        legs = (p for p in account.positions if p.kind is PositionKind.PERP and account.venue == moves.PERP)
        leg = next((leg for leg in legs if _moves(here, leg, factor)), None)
        need = all_needs(scene, account)
        if leg is None or need is None or not leg.venue_price_usd:
            continue
        if not either_way and delta_usd * leg.raw > 0:
            continue
        price = leg.venue_price_usd
        raw = int((-Decimal(delta_usd) / price).scaleb(WAD))
        call = perp.trade(account, here, leg.asset, raw, price, quoted_at[account.at.chain] + DEADLINE_S)
        eta, size = eta_of(scene, *at_home(scene, account.at.chain)), Decimal(raw).scaleb(-WAD)
        return need, [trade_piece(StepKind.HEDGE, account, factor, size, price, eta, (call,))]
    return None


def _moves(deployment: ChainDeployment, leg: Position, factor: str) -> bool:
    info = deployment.asset(leg.asset)
    return info is not None and info.factor == factor


# --- vega ---

Held = tuple[VenueAccount, Position]


def _vega(
    scene: Scene, factor: int, delta_usd: float, vega_usd: float, quoted_at: dict[ChainId, int]
) -> Iterator[Draft]:
    """The same share of every option on the side that is too much: shorts are bought, longs are sold.

    No more is bought than the quote of the owner pays for at the worst cost.
    """
    name, greeks = scene.assembled.arrays.factors.names[factor], scene.figures.greeks
    options = _options(scene, name, 1 if vega_usd > 0 else -1)
    rows = sorted({scene.assembled.rows[account.id] for account, _ in options})
    share = min(1.0, vega_usd / float(greeks.vega_usd[rows, factor].sum())) if rows else 0.0
    if vega_usd < 0 and options:
        share *= min(_affordable(scene, options, owner, share) for owner in {a.account for a, _ in options})
    need = _bearer(scene, options)
    if share < LEAST_SHARE or need is None:
        return
    part = Decimal(share).quantize(Decimal("0.0001"), ROUND_FLOOR)
    pieces = [_traded(scene, account, leg, part) for account, leg in options]
    moved = share * float(greeks.delta_usd[rows, factor].sum())
    left = delta_usd - moved
    first = _delta(scene, name, left, quoted_at, either_way=True) if abs(left) > LEAST_DELTA_USD else None
    verb = "sell" if vega_usd > 0 else "buy options against"
    about = f"{verb} {100 * share:.0f} % of the {'long' if vega_usd > 0 else 'short'} {name} options"
    about = f"trade away the delta that will remain, then {about}" if first else about
    yield _draft(scene, "hedge-vega", about, need, [*(first[1] if first else []), *pieces])


def _bearer(scene: Scene, options: list[Held]) -> Need | None:
    """The account that is judged by the hedge: one of the options', or the largest; None where nobody owes."""
    mine = {account.id for account, _ in options}
    order = sorted(scene.accounts, key=lambda a: (a.id not in mine, -a.mm_requirement_usd))
    return next((need for account in order if (need := all_needs(scene, account)) is not None), None)


def _options(scene: Scene, factor: str, side: int) -> list[Held]:
    """Lyra's options of a factor that are long (1) or short (-1)."""
    known = (a for a in scene.accounts if a.venue == moves.LYRA and a.id in scene.assembled.rows)
    return [
        (account, leg)
        for account in known
        for leg in account.positions
        if leg.kind is PositionKind.OPTION
        and leg.raw * side > 0
        and _moves(scene.deployments[account.at.chain], leg, factor)
    ]


def _affordable(scene: Scene, options: list[Held], owner: str, share: float) -> float:
    """Part of the purchase that the quote in the owner's wallet pays for, at the worst cost."""
    mine = [(account, leg) for account, leg in options if account.account == owner]
    cost = sum(lyra.worst_cost(account, leg, int(abs(leg.raw) * share)) for account, leg in mine)
    quote = _quote(scene, mine[0][0])
    idle = (a for a in scene.accounts if a.account == owner and a.equity_usd is None)
    held = sum(
        p.raw for a in idle for p in a.positions if p.kind is PositionKind.HOLDING and p.asset == quote.asset
    )
    return min(1.0, held / cost) if cost else 0.0


def _traded(scene: Scene, account: VenueAccount, leg: Position, share: Decimal) -> Piece:
    here, amount = scene.deployments[account.at.chain], int(abs(leg.raw) * share)
    sells = leg.raw > 0
    if sells:
        calls = lyra.sell(account, here, leg, amount)
    else:
        calls = lyra.buy(account, here, leg, _quote(scene, account), amount)
    eta, size = eta_of(scene, *at_home(scene, account.at.chain)), Decimal(amount).scaleb(-WAD)
    name = leg.label.replace(" short", "").replace(" long", "")
    price = leg.venue_price_usd or ZERO
    return trade_piece(StepKind.HEDGE, account, name, -size if sells else size, price, eta, calls)


def _quote(scene: Scene, account: VenueAccount) -> AssetInfo:
    """The market's quote token; its address is the deployment's."""
    here = scene.deployments[account.at.chain]
    address = lyra.quote_asset(account, here)
    info = here.asset(erc20(here.chain, address))
    if info is None:
        raise ValueError(f"{account.id}: quote asset {address} is not registered")
    return info
