"""Perp v2's margin rule on what was read, in the integers and roundings of its contracts."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from chains.accounts import VenueId
from chains.deployments import AssetInfo

VENUE: Final = VenueId("perp-v2")
WAD: Final = 10**18
RATIO: Final = 10**6
DUST: Final = 10
"""A total size below this many wei of base counts as none (AccountBalance._DUST)."""


@dataclass(frozen=True, slots=True)
class Params:
    """Settings of the venue; ratios in millionths."""

    token: AssetInfo
    """Settlement token, booked at one dollar."""
    mm_ratio: int
    im_ratio: int
    twap_s: int
    """Span of the averages behind funding."""
    max_funding: int
    """Bound of funding a day, as a share of the index."""
    penalty_ratio: int
    """Share of the notional closed that a liquidation takes."""


@dataclass(frozen=True, slots=True)
class Market:
    """One market as every account sees it; price in wad."""

    asset: AssetInfo
    """The base token."""
    status: str
    """open | paused | closed"""
    price: int
    premium: int = 0
    """What one unit of base pays a day as funding at the block: pool above index, bounded; wad, signed."""

    @property
    def price_usd(self) -> Decimal:
        """Price that values positions."""
        return Decimal(self.price).scaleb(-18)


@dataclass(frozen=True, slots=True)
class Leg:
    """One account's state in one market, wad."""

    market: Market
    taker_size: int
    taker_notional: int
    """Negative for a long: what the base cost."""
    funding: int
    """Pending; positive is owed by the account."""
    has_orders: bool = False
    base_in_pool: int = 0
    quote_in_pool: int = 0
    base_debt: int = 0
    quote_debt: int = 0

    @property
    def size(self) -> int:
        """Total size with maker liquidity; dust is none."""
        total = self.base_in_pool - self.base_debt + self.taker_size
        return 0 if abs(total) < DUST else total

    @property
    def notional(self) -> int:
        """Total open notional with maker liquidity."""
        return self.taker_notional + self.quote_in_pool - self.quote_debt

    @property
    def value(self) -> int:
        """Size x price."""
        return _toward_zero(self.size * self.market.price, WAD)

    @property
    def base_owed(self) -> int:
        """Value of base sold short, negative (AccountBalance.getTotalDebtValue)."""
        return _toward_zero(min(0, self.taker_size - self.base_debt) * self.market.price, WAD)


@dataclass(frozen=True, slots=True)
class Collateral:
    """A deposit that is not the settlement token."""

    asset: AssetInfo
    balance: int
    price: int
    price_decimals: int
    ratio: int

    @property
    def counted(self) -> int:
        """Value that the venue counts, wad; multiplication and division in Vault's order."""
        shift, unit = self.asset.decimals - 18, int(10**self.price_decimals)
        if shift > 0:
            value = self.balance * self.price // unit // int(10**shift)
        else:
            value = self.balance * int(10**-shift) * self.price // unit
        return value * self.ratio // RATIO


@dataclass(frozen=True, slots=True)
class CollateralRules:
    """What lets anyone liquidate other collateral, before the positions are liquidatable."""

    mm_ratio: int
    debt_ratio: int
    debt_limit: int
    """Settlement token units."""


@dataclass(frozen=True, slots=True)
class Theirs:
    """The contract's own figures."""

    account_value: int
    """wad"""
    requirement: int
    """wad"""
    free: int
    """Settlement token units."""
    liquidatable: bool


@dataclass(frozen=True, slots=True)
class AccountState:
    """All that was read of one account."""

    balance: int
    """Settlement token units."""
    owed_pnl: int
    pending_fee: int
    legs: tuple[Leg, ...]
    collaterals: tuple[Collateral, ...]
    rules: CollateralRules | None
    """None where there is no other collateral."""
    theirs: Theirs


@dataclass(frozen=True, slots=True)
class Figures:
    """The rule's figures, wad unless said otherwise."""

    settled: int
    pnl: int
    counted: int
    """Other collateral after its ratios."""
    value: int
    """Account value before it is cut to the settlement token's decimals."""
    value_units: int
    """Account value in settlement token units, rounded down."""
    exposure: int
    """Sum of absolute position values."""
    requirement: int
    free_units: int


def figures(state: AccountState, params: Params) -> Figures:
    """Apply the rule in the contract's own order of roundings."""
    legs, unit = state.legs, int(10 ** (18 - params.token.decimals))
    funding = sum(leg.funding for leg in legs)
    settled = state.balance * unit + state.pending_fee - funding + state.owed_pnl
    pnl = sum(leg.value for leg in legs) + sum(leg.notional for leg in legs)
    counted = sum(collateral.counted for collateral in state.collaterals)
    exposure = sum(abs(leg.value) for leg in legs)
    quote = sum(leg.taker_notional - leg.quote_debt for leg in legs)
    debts = abs(min(0, quote) + sum(leg.base_owed for leg in legs))
    within = min(settled + counted, settled + counted + pnl)
    return Figures(
        settled=settled,
        pnl=pnl,
        counted=counted,
        value=settled + pnl + counted,
        value_units=(settled + pnl + counted) // unit,
        exposure=exposure,
        requirement=exposure * params.mm_ratio // RATIO,
        free_units=max(0, within - debts * params.im_ratio // RATIO) // unit,
    )


def funding_premium(sqrt_market_x96: int, index: int, max_rate: int) -> int:
    """Pool TWAP less index TWAP (wad), up to ``max_rate`` millionths of the index (Exchange._getDeltaTwapX96)."""
    market = sqrt_market_x96**2 * WAD // 2**192
    bound = index * max_rate // RATIO
    return max(-bound, min(bound, market - index))


def bound_requirement(state: AccountState, own: Figures, params: Params) -> tuple[int, int]:
    """k·MM, and the part of it that only the rules of other collateral add.

    With other collateral the account is hit as soon as the first rule of Vault.isLiquidatable is: a higher
    maintenance ratio, a debt above a share of the collateral, a debt above a limit.
    """
    if state.rules is None:
        return own.requirement, 0
    unit = int(10 ** (18 - params.token.decimals))
    debt = max(0, -(own.settled + own.pnl))
    by_ratio = own.exposure * state.rules.mm_ratio // RATIO
    by_debt = own.value - (own.counted * state.rules.debt_ratio // RATIO - debt)
    by_limit = own.value - (state.rules.debt_limit * unit - debt)
    # While nothing is owed no debt rule applies.
    highest = max(by_ratio, by_debt, by_limit) if debt else by_ratio
    return highest, highest - by_ratio


def withdrawable_units(own: Figures, params: Params) -> int:
    """Vault.getFreeCollateralByToken of the settlement token, in its units."""
    if own.settled + own.pnl < 0 or own.settled <= 0:
        return 0
    return min(own.free_units, own.settled // int(10 ** (18 - params.token.decimals)))


def _toward_zero(numerator: int, denominator: int) -> int:
    """Signed division as PerpMath.mulDiv rounds."""
    quotient = abs(numerator) // denominator
    return quotient if numerator >= 0 else -quotient
