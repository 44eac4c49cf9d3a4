"""Which accounts are outside their bands, and by how many dollars."""

from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from aggregator.advice.model import Bands
from aggregator.advice.scene import Scene
from aggregator.config import Settings
from aggregator.model import HORIZONS_S
from aggregator.rounding import up
from chains.accounts import VenueAccount
from risk.funding import arrivals, drawdown_at, rescue_gap_usd, way_in
from risk.status import Status

ZERO = Decimal(0)
CENT = Decimal("0.01")
MOST_CLOSED = Decimal("0.99")
"""Of one account, for the sake of the portfolio's ratio."""


@dataclass(frozen=True, slots=True)
class Need:
    """One account that wants money or less risk."""

    account: VenueAccount
    status: Status
    usd: Decimal
    """What would bring it inside its bands."""
    drawdown_usd: Decimal
    """D over the horizon."""
    surplus_usd: Decimal
    ttl_s: float
    less_only: bool = False
    """The portfolio's ratio is what is wanting: money moved inside it changes nothing, less risk does."""


def bands_of(settings: Settings, name: str) -> Bands:
    """Bands that the settings name for a portfolio; the defaults for accounts outside of all portfolios."""
    found = settings.portfolios.get(name)
    return Bands() if found is None else Bands(**found.target.model_dump())


def needs(scene: Scene, bands: Bands) -> tuple[Need, ...]:
    """Accounts outside their bands, the most urgent first. Accounts that could not be revalued are left out."""
    found = [need for account in scene.accounts if (need := _need(scene, account, bands)) is not None]
    heavy = _heavy(scene, bands)
    if heavy is not None and heavy.account not in [need.account for need in found]:
        found.append(heavy)
    return tuple(sorted(found, key=lambda need: (-need.status.severity, need.ttl_s, -need.usd)))


def _heavy(scene: Scene, bands: Bands) -> Need | None:
    """The account with the largest requirement, where the portfolio's ratio is below its band.

    The whole requirement has to fall by 1 - ratio / band; this account gives that, as far as it goes. ``usd`` is
    what would call for the same share to be closed.
    """
    ratio, whole = scene.report.margin_ratio, scene.report.mm_requirement_usd
    if ratio is None or whole is None or not 0 < ratio < bands.ratio:
        return None
    known = [need for account in scene.accounts if (need := all_needs(scene, account)) is not None]
    need = max(known, key=lambda one: _required(scene, one), default=None)
    if need is None or need.surplus_usd <= 0:
        return None
    share = min(MOST_CLOSED, (1 - ratio / bands.ratio) * whole / _required(scene, need))
    return replace(need, usd=need.surplus_usd * share / (1 - share), less_only=True)


def _required(scene: Scene, need: Need) -> Decimal:
    return need.account.mm_requirement_usd + _floor(scene, need.account)


def _floor(scene: Scene, account: VenueAccount) -> Decimal:
    return up(float(scene.help.buffers.local_floor[scene.help.place[account.id]]))


def horizon_loss(scene: Scene, account: VenueAccount) -> Decimal:
    """D over the horizon, at the model's confidence."""
    row = scene.assembled.rows[account.id]
    horizon = np.array([float(scene.model.settings.horizon_s)])
    return up(float(drawdown_at(scene.figures.drawdown[row], HORIZONS_S, horizon)[0]))


def all_needs(scene: Scene, account: VenueAccount) -> Need | None:
    """The account's figures, whether it lacks anything or not; None where it could not be revalued."""
    row, surplus = scene.assembled.rows.get(account.id), account.surplus_usd
    if account.id not in scene.help.place or row is None or surplus is None or not account.mm_requirement_usd:
        return None
    drawn, ttl = horizon_loss(scene, account), float(scene.figures.ttl_s[row])
    return Need(account, scene.line(account).status, ZERO, drawn, surplus, ttl)


def _need(scene: Scene, account: VenueAccount, bands: Bands) -> Need | None:
    found = all_needs(scene, account)
    if found is None:
        return None
    wanted = max(bands.coverage * found.drawdown_usd, _floor(scene, account))
    if bands.health is not None:
        wanted = max(wanted, (bands.health - 1) * account.mm_requirement_usd)
    if bands.liquidity_coverage is not None:
        wanted = max(wanted, found.surplus_usd + _uncovered(scene, account, bands.liquidity_coverage))
    if wanted - found.surplus_usd < CENT and found.status.severity < Status.UNKNOWN.severity:
        return None
    return replace(found, usd=max(ZERO, wanted - found.surplus_usd))


def _uncovered(scene: Scene, account: VenueAccount, wanted: Decimal) -> Decimal:
    """What to add now so that holdings and arrivals cover ``wanted`` times each drawdown up to the horizon."""
    place, row = scene.help.place, scene.assembled.rows[account.id]
    chains = {a.id: a.at.chain for a in scene.accounts}
    ways = way_in(scene.model.mobility(scene.paused))
    order = sorted(place, key=lambda name: place[name])
    found = arrivals(place[account.id], [chains[name] for name in order], scene.help.movable_usd, ways)
    drawn = float(wanted) * scene.figures.drawdown[row]
    surplus = float(scene.assembled.arrays.surplus[row])
    return up(rescue_gap_usd(surplus, drawn, HORIZONS_S, found, float(scene.model.settings.horizon_s)))
