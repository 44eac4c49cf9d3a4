"""Which accounts are outside their bands, and by how many dollars."""

from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from aggregator.advice.model import Bands
from aggregator.advice.scene import Scene
from aggregator.config import Settings
from aggregator.model import HORIZONS_S
from aggregator.rounding import up
from chains.types import VenueAccount
from risk.funding import drawdown_at
from risk.status import Status

ZERO = Decimal(0)
CENT = Decimal("0.01")


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


def bands_of(settings: Settings, name: str) -> Bands:
    """Bands that the settings name for a portfolio; the defaults for accounts outside of all portfolios."""
    found = settings.portfolios.get(name)
    return Bands() if found is None else Bands(**found.target.model_dump())


def needs(scene: Scene, bands: Bands) -> tuple[Need, ...]:
    """Accounts outside their bands, the most urgent first. Accounts that could not be revalued are left out."""
    found = [need for account in scene.accounts if (need := _need(scene, account, bands)) is not None]
    return tuple(sorted(found, key=lambda need: (-need.status.severity, need.ttl_s, -need.usd)))


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
    floor = up(float(scene.help.buffers.local_floor[scene.help.place[account.id]]))
    wanted = max(bands.coverage * found.drawdown_usd, floor)
    if bands.health is not None:
        wanted = max(wanted, (bands.health - 1) * account.mm_requirement_usd)
    if wanted - found.surplus_usd < CENT and found.status.severity < Status.UNKNOWN.severity:
        return None
    return replace(found, usd=max(ZERO, wanted - found.surplus_usd))
