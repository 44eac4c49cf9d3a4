"""Morpho Blue's arithmetic, with the contract's own order of roundings. No IO."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from chains.accounts import VenueId
from chains.caip import Address
from chains.deployments import AssetInfo

VENUE: Final = VenueId("morpho-blue")
WAD: Final = 10**18
PRICE_SCALE: Final = 10**36
VIRTUAL_SHARES: Final = 10**6
VIRTUAL_ASSETS: Final = 1
CURSOR: Final = 3 * 10**17
MAX_INCENTIVE: Final = 115 * 10**16


@dataclass(frozen=True, slots=True)
class Totals:
    """A market's sums; the fee is a share of interest in wad."""

    supply_assets: int
    supply_shares: int
    borrow_assets: int
    borrow_shares: int
    last_update: int
    fee: int


@dataclass(frozen=True, slots=True)
class Market:
    """One market at the block, interest included."""

    id: bytes
    loan: AssetInfo
    collateral: AssetInfo
    oracle: Address
    lltv: int
    price: int
    """Loan units per unit of collateral, times 1e36."""
    totals: Totals
    theirs: Totals
    """The contract's own totals after its own accrual."""
    rate: int = 0
    """Interest of borrowers per second, wad."""
    rate_model: str = ""
    """Address of the contract that says the rate."""

    @property
    def short_id(self) -> str:
        """First four bytes of the id."""
        return f"0x{self.id[:4].hex()}"


@dataclass(frozen=True, slots=True)
class Holding:
    """One address in one market, as stored."""

    supply_shares: int
    borrow_shares: int
    collateral: int

    @property
    def empty(self) -> bool:
        """Nothing lent, borrowed or put in."""
        return not (self.supply_shares or self.borrow_shares or self.collateral)


def accrued(totals: Totals, rate: int, now: int) -> tuple[Totals, int]:
    """Totals after interest up to ``now`` (unix s) at ``rate`` per second (wad), and the fee's new shares."""
    elapsed = now - totals.last_update
    if elapsed <= 0:
        return totals, 0
    growth = _compounded(rate, elapsed)
    interest = totals.borrow_assets * growth // WAD
    borrow, supply = totals.borrow_assets + interest, totals.supply_assets + interest
    fee_assets = interest * totals.fee // WAD
    fee_shares = shares_down(fee_assets, supply - fee_assets, totals.supply_shares) if totals.fee else 0
    done = replace(
        totals, supply_assets=supply, borrow_assets=borrow, supply_shares=totals.supply_shares + fee_shares,
        last_update=now,
    )  # fmt: skip
    return done, fee_shares


def _compounded(rate: int, seconds: int) -> int:
    """Three terms of exp(rate x seconds) - 1, wad (MathLib.wTaylorCompounded)."""
    first = rate * seconds
    second = first * first // (2 * WAD)
    return first + second + second * first // (3 * WAD)


def shares_down(assets: int, total_assets: int, total_shares: int) -> int:
    """SharesMathLib.toSharesDown."""
    return assets * (total_shares + VIRTUAL_SHARES) // (total_assets + VIRTUAL_ASSETS)


def assets_down(shares: int, total_assets: int, total_shares: int) -> int:
    """SharesMathLib.toAssetsDown."""
    return shares * (total_assets + VIRTUAL_ASSETS) // (total_shares + VIRTUAL_SHARES)


def assets_up(shares: int, total_assets: int, total_shares: int) -> int:
    """SharesMathLib.toAssetsUp."""
    return -(-shares * (total_assets + VIRTUAL_ASSETS) // (total_shares + VIRTUAL_SHARES))


def borrowed(holding: Holding, market: Market) -> int:
    """Debt in loan units, rounded up."""
    return assets_up(holding.borrow_shares, market.totals.borrow_assets, market.totals.borrow_shares)


def supplied(holding: Holding, market: Market) -> int:
    """Lent assets in loan units, rounded down."""
    return assets_down(holding.supply_shares, market.totals.supply_assets, market.totals.supply_shares)


def max_borrow(collateral: int, market: Market) -> int:
    """Largest healthy debt in loan units, rounded down twice."""
    return collateral * market.price // PRICE_SCALE * market.lltv // WAD


def free_collateral(holding: Holding, market: Market) -> int:
    """Most collateral that may leave with the loan still healthy, in its smallest unit."""
    if not holding.borrow_shares:
        return holding.collateral
    if not market.price or not market.lltv:
        return 0
    worth = -(-borrowed(holding, market) * WAD // market.lltv)
    return max(0, holding.collateral - -(-worth * PRICE_SCALE // market.price))


def interest_of_a_day(market: Market) -> tuple[Decimal, Decimal]:
    """What a day adds to one unit of debt and to one unit lent, at the block's rate and use."""
    growth = Decimal(_compounded(market.rate, 86_400)).scaleb(-18)
    used = Decimal(market.totals.borrow_assets) / max(1, market.totals.supply_assets)
    return growth, growth * used * (1 - Decimal(market.totals.fee).scaleb(-18))


def cut_by_rounding(collateral: int, market: Market) -> int:
    """What the two roundings take from max borrow, in loan units x 1e54, not positive."""
    return max_borrow(collateral, market) * PRICE_SCALE * WAD - collateral * market.price * market.lltv


def incentive(lltv: int) -> int:
    """Collateral value that a liquidator gets for a debt of one, wad (Morpho.liquidate, ConstantsLib)."""
    return min(MAX_INCENTIVE, WAD * WAD // (WAD - CURSOR * (WAD - lltv) // WAD))


def liquidity(market: Market) -> int:
    """Loan units that lenders can take out now."""
    return max(0, market.totals.supply_assets - market.totals.borrow_assets)
