"""What drafts are made of: steps with their transactions, and when they will have taken effect."""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from aggregator.advice.model import Eta, Step, StepKind, Unsigned
from aggregator.advice.needs import Need
from aggregator.advice.scene import Scene
from aggregator.rounding import nearest
from chains.accounts import VenueAccount
from chains.caip import ChainId, asset_chain
from chains.deployments import AssetInfo, ChainDeployment, TwapPool
from chains.transactions import Transaction
from chains.venues.uniswap import VENUE as UNISWAP
from chains.venues.uniswap.calldata import ROUTER
from risk.latency import AT_ONCE, Knots, cure_lag, inclusion_s, mix

DEADLINE_S = 3_600
SPARE = Decimal("1.01")
"""A little more than needed: prices move while people read."""
ZERO = Decimal(0)

Piece = tuple[Step, tuple[Transaction, ...]]


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


def draft(name: str, about: str, need: Need, pieces: list[Piece], lag: Knots, covers_usd: Decimal) -> Draft:
    """A draft of pieces in their order."""
    steps = tuple(step for step, _ in pieces)
    calls = tuple(call for _, several in pieces for call in several)
    return Draft(name, about, need, steps, calls, lag, covers_usd)


def piece(
    kind: StepKind, account: VenueAccount, token: AssetInfo, raw: int, fee: Decimal, eta: Eta,
    calls: tuple[Transaction, ...], route: str | None = None,
) -> Piece:  # fmt: skip
    """A step that moves dollars of a token."""
    amount = Decimal(raw).scaleb(-token.decimals)
    step = Step(
        kind=kind, account=account.id, chain=asset_chain(token.asset), asset=token.symbol, amount=amount,
        amount_usd=amount, route=route, fee_usd=fee, eta=eta, transactions=tuple(map(_shown, calls)),
    )  # fmt: skip
    return step, calls


def trade_piece(
    kind: StepKind, account: VenueAccount, asset: str, amount: Decimal, price_usd: Decimal, eta: Eta,
    calls: tuple[Transaction, ...],
) -> Piece:  # fmt: skip
    """A step that trades units of something at a price."""
    step = Step(
        kind=kind, account=account.id, chain=account.at.chain, asset=asset, amount=amount,
        amount_usd=abs(amount) * price_usd, fee_usd=ZERO, eta=eta, transactions=tuple(map(_shown, calls)),
    )  # fmt: skip
    return step, calls


def at_home(scene: Scene, chain: ChainId) -> tuple[Knots, Knots]:
    """Calm and bad day: noticing, deciding and inclusion count on one chain too."""
    mobility = scene.model.mobility(scene.paused)
    around, factor = mobility.reaction, mobility.stress.latency_factor
    calm, bad = (
        cure_lag(AT_ONCE, around.detect_s, around.react_s, scale * inclusion_s(chain), 0.0, around.grace_s)
        for scale in (1.0, factor)
    )
    return calm, bad


def both_days(scene: Scene, calm: Knots, bad: Knots) -> Knots:
    """Calm and bad days with their weights."""
    weight = scene.model.mobility(scene.paused).stress.weight
    return mix(((1.0 - weight, calm), (weight, bad)))


def eta_of(scene: Scene, calm: Knots, bad: Knots) -> Eta:
    """Quantiles that people read."""
    late = bad.quantile(scene.model.settings.confidence)
    return Eta(
        median_s=nearest(calm.quantile(0.5)),
        p95_s=nearest(calm.quantile(0.95)),
        p99_stress_s=nearest(late) if np.isfinite(late) else None,
    )


def raw_of(usd: Decimal, token: AssetInfo, rounding: str) -> int:
    """Units of a dollar token; its price is taken as one, the simulation shows what it is worth."""
    return int(usd.scaleb(token.decimals).to_integral_value(rounding))


def trade_pool(here: ChainDeployment, sold: AssetInfo, bought: AssetInfo) -> TwapPool | None:
    """A pool of two tokens by their price keys, where the deployment names a router; a trial tells."""
    if ROUTER not in here.venues.get(UNISWAP, {}):
        return None
    keys = {sold.price_key, bought.price_key}
    return next((p for p in here.feeds.twap if {p.price_key, p.quote_key} == keys), None)


def _shown(call: Transaction) -> Unsigned:
    return Unsigned(
        chain=call.chain, sender=call.sender, to=call.to, data="0x" + call.data.hex(), value=str(call.value),
        about=call.about,
    )  # fmt: skip
