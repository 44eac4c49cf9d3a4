"""Drafts of plans from a scene: pure; what they would do to the margin is tried on forks afterwards."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import numpy as np

from aggregator.advice.model import Eta, Step, StepKind, Unsigned
from aggregator.advice.needs import Need, all_needs, horizon_loss
from aggregator.advice.scene import Scene
from aggregator.rounding import down, nearest
from chains.caip import ChainId, account_address, asset_chain
from chains.deployments import AssetInfo, ChainDeployment
from chains.transactions import Transaction
from chains.types import Position, PositionKind, VenueAccount
from chains.venues.aave import calldata as aave
from chains.venues.across import calldata as across
from chains.venues.perp import calldata as perp
from risk.latency import AT_ONCE, Knots, cure_lag, inclusion_s, mix

AAVE, PERP, WALLET, ACROSS = "aave-v3", "perp-v2", "wallet", "across"
FUNDABLE = frozenset({AAVE, PERP})
"""Venues whose deposits this package can encode."""
DEADLINE_S = 3_600
LEAST_HEDGE = 0.1
SPARE = Decimal("1.01")
"""A little more than needed: prices move while people read."""
ZERO = Decimal(0)
BPS = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """A plan that nobody has tried yet."""

    name: str
    about: str
    need: Need
    steps: tuple[Step, ...]
    transactions: tuple[Transaction, ...]
    lag: Knots
    """Over calm and bad days, of the last money."""
    covers_usd: Decimal


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """Money somewhere that one token's holder could send."""

    holder: VenueAccount
    token: AssetInfo
    usd: Decimal
    calm: Knots
    bad: Knots
    fee_bps: float
    """Of the bridge; 0 on the account's own chain."""
    bridge: str = ""


def drafts(scene: Scene, need: Need, quoted_at: dict[ChainId, int]) -> Iterator[Draft]:
    """Everything that this package knows to do for an account."""
    funded = _fund(scene, need, quoted_at)
    if funded is not None:
        yield funded
    yield from _reduce(scene, need, quoted_at)


# --- money ---


def _fund(scene: Scene, need: Need, quoted_at: dict[ChainId, int]) -> Draft | None:
    """Send what is missing, soonest first; None where nothing can come before the account is liquidated."""
    target = _target(scene, need)
    if target is None:
        return None
    token, debt = target
    left, steps, sent, lag = need.usd * SPARE, list[Step](), list[Transaction](), AT_ONCE
    for source in _sources(scene, need, token):
        if left <= 0:
            break
        amount = min(left, source.usd)
        pieces = _send(scene, need, source, token, debt, amount, quoted_at)
        steps += [step for step, _ in pieces]
        sent += [transaction for _, several in pieces for transaction in several]
        left -= amount * (1 - Decimal(str(source.fee_bps)) / BPS)
        lag = _mixture(scene, source)
    if not steps:
        return None
    covered = need.usd * SPARE - max(ZERO, left)
    verb = "repay" if debt is not None else "deposit"
    about = f"send {covered:,.0f} USD of {token.symbol} and {verb} it"
    return Draft("fund", about, need, tuple(steps), tuple(sent), lag, covered)


def _target(scene: Scene, need: Need) -> tuple[AssetInfo, Position | None] | None:
    """Token that helps the account, and the debt that it pays back, if any."""
    account = need.account
    if account.venue not in FUNDABLE:
        return None
    deployment = scene.deployments[account.at.chain]
    kind = PositionKind.DEBT if account.venue == AAVE else PositionKind.COLLATERAL
    legs = [p for p in account.positions if p.kind is kind and (kind is PositionKind.DEBT or p.raw >= 0)]
    for leg in sorted(legs, key=lambda p: -abs(p.size)):
        info = deployment.asset(leg.asset)
        if info is not None and info.peg:
            return info, (leg if kind is PositionKind.DEBT else None)
    return None


def _sources(scene: Scene, need: Need, token: AssetInfo) -> list[_Source]:
    """Holders of the same token, soonest first; only what arrives before the account is liquidated."""
    found = [s for account in scene.accounts for s in _held(scene, need, account, token)]
    in_time = [s for s in found if s.bad.quantile(scene.model.settings.confidence) <= need.ttl_s]
    return sorted(in_time, key=lambda s: (s.bad.quantile(scene.model.settings.confidence), s.bridge, -s.usd))


def _held(scene: Scene, need: Need, account: VenueAccount, token: AssetInfo) -> Iterator[_Source]:
    place = scene.help.place.get(account.id)
    if account.id == need.account.id or place is None or account.venue not in {WALLET, *FUNDABLE}:
        return
    free = _free(scene, account, place)
    here = scene.deployments[account.at.chain]
    for leg in account.positions:
        info = here.asset(leg.asset)
        held = leg.kind in {PositionKind.HOLDING, PositionKind.COLLATERAL} and leg.raw > 0
        if info is None or not held or (info.symbol, info.peg) != (token.symbol, token.peg):
            continue
        usd = min(free, leg.size)
        if usd <= 1:
            continue
        if account.at.chain == need.account.at.chain:
            if account_address(account.account) == account_address(need.account.account):
                yield _Source(account, info, usd, *_at_home(scene, account.at.chain), 0.0)
        else:
            yield from _by_bridge(scene, need, account, info, usd)


def _free(scene: Scene, account: VenueAccount, place: int) -> Decimal:
    """What its venue lets out and its own horizon does not need: nobody is robbed to save another."""
    free = down(float(scene.help.movable_usd[place]))
    if not account.mm_requirement_usd or account.surplus_usd is None:
        return free
    return min(free, account.surplus_usd - horizon_loss(scene, account))


def _by_bridge(
    scene: Scene, need: Need, account: VenueAccount, info: AssetInfo, usd: Decimal
) -> Iterator[_Source]:
    """By Across, whose deposits can be encoded; the recipient is the same address on the other chain."""
    if account_address(account.account) != account_address(need.account.account):
        return
    for way in scene.model.mobility(scene.paused).between(account.at.chain, need.account.at.chain):
        if way.route.bridge == ACROSS:
            amount = min(usd, Decimal(str(way.route.capacity_usd)))
            yield _Source(account, info, amount, way.calm, way.stress, way.route.fee_bps, ACROSS)


def _at_home(scene: Scene, chain: ChainId) -> tuple[Knots, Knots]:
    """Noticing, deciding and inclusion count on one chain too."""
    mobility = scene.model.mobility(scene.paused)
    around, factor = mobility.reaction, mobility.stress.latency_factor
    calm, bad = (
        cure_lag(AT_ONCE, around.detect_s, around.react_s, scale * inclusion_s(chain), 0.0, around.grace_s)
        for scale in (1.0, factor)
    )
    return calm, bad


def _mixture(scene: Scene, source: _Source) -> Knots:
    weight = scene.model.mobility(scene.paused).stress.weight
    return mix(((1.0 - weight, source.calm), (weight, source.bad)))


def _send(
    scene: Scene, need: Need, source: _Source, token: AssetInfo, debt: Position | None, usd: Decimal,
    quoted_at: dict[ChainId, int],
) -> list[tuple[Step, tuple[Transaction, ...]]]:  # fmt: skip
    """Withdraw if it is inside a venue, bridge if it is elsewhere, then deposit or repay."""
    holder, here = source.holder, scene.deployments[source.holder.at.chain]
    raw = _raw(usd, source.token, ROUND_FLOOR)
    now, later = _eta(*_at_home(scene, holder.at.chain), scene), _eta(source.calm, source.bad, scene)
    pieces: list[tuple[Step, tuple[Transaction, ...]]] = []
    if holder.venue == PERP:
        pieces.append(_piece(StepKind.WITHDRAW, holder, source.token, raw, ZERO, now,
                             perp.withdraw(holder, here, source.token, raw)))  # fmt: skip
    elif holder.venue == AAVE:
        pieces.append(_piece(StepKind.WITHDRAW, holder, source.token, raw, ZERO, now,
                             aave.withdraw(holder, here, source.token, raw)))  # fmt: skip
    arriving = raw
    if source.bridge:
        arriving = across.received_raw(raw, source.fee_bps)
        to = need.account.at.chain
        calls = across.deposit(
            account_address(holder.account), here, source.token, token, to, raw, source.fee_bps,
            quoted_at[holder.at.chain],
        )  # fmt: skip
        fee = Decimal(raw - arriving).scaleb(-source.token.decimals)
        pieces.append(_piece(StepKind.BRIDGE, holder, source.token, raw, fee, later, calls, f"across to {to}"))
    pieces.append(_into(scene, need, token, debt, arriving, later))
    return pieces


def _into(
    scene: Scene, need: Need, token: AssetInfo, debt: Position | None, raw: int, eta: Eta
) -> tuple[Step, tuple[Transaction, ...]]:
    account, there = need.account, scene.deployments[need.account.at.chain]
    if account.venue == AAVE and debt is not None:
        mode = 1 if debt.details.get("rate_mode") == "stable" else aave.VARIABLE
        calls = aave.repay(account, there, token, min(raw, abs(debt.raw)), mode)
        return _piece(StepKind.REPAY, account, token, min(raw, abs(debt.raw)), ZERO, eta, calls)
    return _piece(StepKind.DEPOSIT, account, token, raw, ZERO, eta, perp.deposit(account, there, token, raw))


# --- less risk ---


def _reduce(scene: Scene, need: Need, quoted_at: dict[ChainId, int]) -> Iterator[Draft]:
    """Close as much of each position as makes the account outlast the horizon. Never asked whether it may."""
    account = need.account
    legs = [p for p in account.positions if p.kind is PositionKind.PERP and p.raw]
    if account.venue != PERP or not legs:
        return
    share = _share_to_close(need)
    here, chain = scene.deployments[account.at.chain], account.at.chain
    calm, bad = _at_home(scene, chain)
    pieces = [
        _less(account, here, leg, share, quoted_at[chain] + DEADLINE_S, _eta(calm, bad, scene)) for leg in legs
    ]
    about = f"close {100 * share:.0f} % of every position, reduce-only"
    weight = scene.model.mobility(scene.paused).stress.weight
    yield Draft(
        "reduce", about, need, tuple(step for step, _ in pieces),
        tuple(call for _, calls in pieces for call in calls),
        mix(((1 - weight, calm), (weight, bad))), need.usd,
    )  # fmt: skip


def _share_to_close(need: Need) -> Decimal:
    """What must be held falls in proportion to what stays open, S stays: 1 - S / wanted; all if S is gone."""
    wanted = need.surplus_usd + need.usd
    if need.surplus_usd <= 0 or wanted <= 0:
        return Decimal(1)
    share = (1 - need.surplus_usd / wanted) * SPARE + Decimal("0.01")
    return min(Decimal(1), max(Decimal("0.01"), share.quantize(Decimal("0.01"), ROUND_CEILING)))


def _less(
    account: VenueAccount, here: ChainDeployment, leg: Position, share: Decimal, deadline: int, eta: Eta
) -> tuple[Step, tuple[Transaction, ...]]:
    calls = perp.reduce(account, here, leg, share, deadline)
    info = here.asset(leg.asset)
    size = abs(leg.size) * share
    step = Step(
        kind=StepKind.REDUCE, account=account.id, chain=account.at.chain, asset=info.symbol if info else leg.label,
        amount=size, amount_usd=size * (leg.venue_price_usd or ZERO), fee_usd=ZERO, eta=eta,
        transactions=tuple(map(_shown, calls)),
    )  # fmt: skip
    return step, calls


def hedges(scene: Scene, quoted_at: dict[ChainId, int]) -> Iterator[Draft]:
    """Trade a perpetual that is held anyway against the portfolio's delta by its largest factor.

    Nothing is proposed below a tenth of the gross delta. Vega has no venue whose calls are encoded here.
    """
    rows = [scene.assembled.rows[a.id] for a in scene.accounts if a.id in scene.assembled.rows]
    delta, names = scene.figures.greeks.delta_usd[rows], scene.assembled.arrays.factors.names
    net, gross = delta.sum(axis=0), np.abs(delta).sum(axis=0)
    stable = scene.assembled.arrays.factors.is_stable
    for factor in np.flatnonzero((np.abs(net) > LEAST_HEDGE * gross) & ~stable):
        for account in scene.accounts:
            leg = _market(scene, account, names[factor])
            need = all_needs(scene, account)
            if leg is None or need is None or not leg.venue_price_usd or float(net[factor]) * leg.raw > 0:
                continue  # against the leg's own side it would be a reduction, which is a plan of its own
            yield _hedge(scene, need, leg, names[factor], float(net[factor]), quoted_at)
            break


def _market(scene: Scene, account: VenueAccount, factor: str) -> Position | None:
    here = scene.deployments[account.at.chain]
    legs = (p for p in account.positions if p.kind is PositionKind.PERP and account.venue == PERP)
    return next((leg for leg in legs if _moves(here, leg, factor)), None)


def _hedge(
    scene: Scene, need: Need, leg: Position, factor: str, delta_usd: float, quoted_at: dict[ChainId, int]
) -> Draft:
    account, price = need.account, leg.venue_price_usd or Decimal(1)
    raw = int((-Decimal(delta_usd) / price).scaleb(18))
    here = scene.deployments[account.at.chain]
    call = perp.trade(account, here, leg.asset, raw, price, quoted_at[account.at.chain] + DEADLINE_S)
    calm, bad = _at_home(scene, account.at.chain)
    size = Decimal(raw).scaleb(-18)
    step = Step(
        kind=StepKind.HEDGE, account=account.id, chain=account.at.chain, asset=factor, amount=size,
        amount_usd=abs(size) * price, fee_usd=ZERO, eta=_eta(calm, bad, scene), transactions=(_shown(call),),
    )  # fmt: skip
    about = f"trade {size:.4f} {factor} of perpetual against the portfolio's delta"
    return Draft("hedge-delta", about, need, (step,), (call,), calm, ZERO)


def _moves(deployment: ChainDeployment, leg: Position, factor: str) -> bool:
    info = deployment.asset(leg.asset)
    return info is not None and info.factor == factor


# --- words and numbers ---


def _piece(
    kind: StepKind, account: VenueAccount, token: AssetInfo, raw: int, fee: Decimal, eta: Eta,
    calls: tuple[Transaction, ...], route: str | None = None,
) -> tuple[Step, tuple[Transaction, ...]]:  # fmt: skip
    amount = Decimal(raw).scaleb(-token.decimals)
    step = Step(
        kind=kind, account=account.id, chain=asset_chain(token.asset), asset=token.symbol, amount=amount,
        amount_usd=amount, route=route, fee_usd=fee, eta=eta, transactions=tuple(map(_shown, calls)),
    )  # fmt: skip
    return step, calls


def _shown(call: Transaction) -> Unsigned:
    return Unsigned(
        chain=call.chain, sender=call.sender, to=call.to, data="0x" + call.data.hex(), value=str(call.value),
        about=call.about,
    )  # fmt: skip


def _eta(calm: Knots, bad: Knots, scene: Scene) -> Eta:
    late = bad.quantile(scene.model.settings.confidence)
    return Eta(
        median_s=nearest(calm.quantile(0.5)),
        p95_s=nearest(calm.quantile(0.95)),
        p99_stress_s=nearest(late) if np.isfinite(late) else None,
    )


def _raw(usd: Decimal, token: AssetInfo, rounding: str) -> int:
    """Units of a dollar token; its price is taken as one, the simulation shows what it is worth."""
    return int(usd.scaleb(token.decimals).to_integral_value(rounding))
