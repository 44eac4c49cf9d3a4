"""State of an Aave v3 market at one block: reserves with accrued indexes and prices, e-mode categories."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from chains.caip import Address, AssetId
from chains.types import BlockRef
from chains.venues.aave.fixed_point import BPS, income_index
from chains.venues.aave.version import V30, Version


@dataclass(frozen=True, slots=True)
class Reserve:
    """One listed token. Ratios in bps, indexes and yearly rates in ray."""

    id: int
    """Position in the users' configuration bitmaps; not the position in the reserves list."""
    token: Address
    decimals: int
    ltv: int
    threshold: int
    """0: never collateral."""
    bonus: int
    active: bool
    paused: bool
    siloed: bool
    emode: int
    debt_ceiling_usd: Decimal
    """Not 0: isolated collateral."""
    supply_index: int
    supply_rate: int
    borrow_index: int
    borrow_rate: int
    a_token: Address
    stable_debt_token: Address
    variable_debt_token: Address

    @property
    def withdrawals_open(self) -> bool:
        """The pool lets suppliers take this token out (freezing a reserve does not stop them)."""
        return self.active and not self.paused


@dataclass(frozen=True, slots=True)
class EMode:
    """One e-mode category. Ratios in bps."""

    id: int
    ltv: int
    threshold: int
    price_source: Address | None
    """Asset whose oracle price replaces that of every asset in the category; None where each keeps its own."""
    collateral: int | None = None
    """Bitmap of the reserve ids that are collateral in the category; None where reserves name their category."""
    ltv_zero: int = 0
    """Bitmap of those among them whose LTV is 0 all the same."""
    bonus: int = BPS
    """Debt repaid to collateral seized, bps: replaces that of the reserves."""

    def holds(self, reserve: Reserve) -> bool:
        """The category's terms apply to the reserve as collateral."""
        if self.collateral is None:
            return reserve.emode == self.id
        return bool(self.collateral >> reserve.id & 1)

    def ltv_of(self, reserve: Reserve) -> int:
        """LTV of a reserve that the category holds."""
        return 0 if self.ltv_zero >> reserve.id & 1 else self.ltv


@dataclass(frozen=True, slots=True)
class Market:
    """What every account of the pool shares at the block."""

    at: BlockRef
    base_unit: int
    """Units of the base currency in one US dollar."""
    reserves: tuple[Reserve, ...]
    emodes: Mapping[int, EMode]
    prices: Mapping[Address, int]
    """Oracle prices in base units by token; a token without a price is absent."""
    liquidity: Mapping[Address, int]
    """Tokens lying in the pool by token, raw: the most that can leave; absent where unknown."""
    names: Mapping[Address, tuple[AssetId, str]]
    """Asset and symbol of the tokens that the deployment registers."""
    version: Version = V30


class AccountData(NamedTuple):
    """The pool's own figures: getUserAccountData. Amounts in base units, ratios in bps, health in wad."""

    collateral: int
    debt: int
    available_borrows: int
    threshold: int
    ltv: int
    health: int


@dataclass(frozen=True, slots=True)
class UserState:
    """Primitive state of one account; mappings by reserve id hold no zeros."""

    configuration: int
    emode: int
    supplied: Mapping[int, int]
    """Scaled aToken balance, used as collateral or not."""
    variable_debt: Mapping[int, int]
    """Scaled variable debt."""
    stable_debt: Mapping[int, int]
    """Stable debt as the token accrues it."""
    stable_rates: Mapping[int, int]
    """Yearly rate of the stable debt, ray: fixed when it was taken."""
    own: AccountData

    def is_collateral(self, reserve_id: int) -> bool:
        """The account uses this reserve as collateral."""
        return bool(self.configuration >> (2 * reserve_id + 1) & 1)

    def is_borrowing(self, reserve_id: int) -> bool:
        """The account borrows this reserve."""
        return bool(self.configuration >> (2 * reserve_id) & 1)


def decode_reserve(token: Address, data: Sequence[Any], at: BlockRef, version: Version = V30) -> Reserve:
    """Reserve from the 15 words of ``getReserveData``, indexes accrued to the block.

    Bit positions of the configuration word: ReserveConfiguration of v3.0; v3.6 left the e-mode bits unused.
    """
    bits = int(data[0])
    elapsed_s = at.timestamp - int(data[6])

    def part(start: int, width: int) -> int:
        return bits >> start & ((1 << width) - 1)

    return Reserve(
        id=data[7],
        token=token,
        ltv=part(0, 16),
        threshold=part(16, 16),
        bonus=part(32, 16),
        decimals=part(48, 8),
        active=bool(part(56, 1)),
        paused=bool(part(60, 1)),
        siloed=bool(part(62, 1)),
        emode=0 if version.emode_bitmaps else part(168, 8),
        debt_ceiling_usd=Decimal(part(212, 40)).scaleb(-2),
        supply_index=income_index(data[1], data[2], elapsed_s),
        supply_rate=data[2],
        borrow_index=version.debt_index(data[3], data[4], elapsed_s),
        borrow_rate=data[4],
        a_token=data[8],
        stable_debt_token=data[9],
        variable_debt_token=data[10],
    )
