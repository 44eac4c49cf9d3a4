"""Venue accounts, the language between venues and the rest, and the typed gaps of reading them.

A venue reader turns contract state into ``VenueAccount`` values. A venue account is the unit of liquidation
(RISK section 1). Its figures at the venue's own prices are exact (int and Decimal); its behaviour under scenarios
is said by its exposures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import NewType

from chains.caip import AccountId, AssetId
from chains.instruments import ZERO, Exposure, Instrument
from chains.types import BlockRef

VenueId = NewType("VenueId", str)
"""A protocol deployment holding positions, for example ``aave-v3``. One id on every chain."""


BOOKED = "booked"
"""Key of ``Position.details``: the amount as the venue's storage keeps it (scaled balance, shares, …), which only
events of the account change. Without the key that is ``raw``; '' marks a leg that moves without such events."""


UNBOOKED = "~"
"""Value of ``BOOKED`` for a leg that appears and goes without events (fees that trades of others leave)."""


class PositionKind(StrEnum):
    """What a position is."""

    HOLDING = "holding"
    COLLATERAL = "collateral"
    DEBT = "debt"
    PERP = "perp"
    OPTION = "option"
    IN_FLIGHT = "in_flight"
    LP = "lp"


@dataclass(frozen=True, slots=True)
class Position:
    """One leg as the venue books it, for people and for the audit trail; the numbers come from ``raw``."""

    kind: PositionKind
    asset: AssetId
    label: str
    """Readable name of the leg, for example ``WETH collateral`` or ``ETH-PERP short``."""
    raw: int
    """Signed amount in the smallest unit: negative for debts and shorts."""
    decimals: int
    venue_price_usd: Decimal | None
    """Price that the venue itself uses, None where it uses none."""
    details: Mapping[str, str] = field(default_factory=dict)
    """Terms as text: strike, expiry, liquidation threshold, entry notional, …"""

    @property
    def size(self) -> Decimal:
        """Signed amount in whole units."""
        return Decimal(self.raw).scaleb(-self.decimals)


@dataclass(frozen=True, slots=True)
class OwnCheck:
    """A figure of ours beside the same figure from the venue's own contract, at the same block."""

    name: str
    ours: Decimal
    theirs: Decimal
    rounding: Decimal = ZERO
    """Absolute difference that the contract's own integer rounding may cause (a few units of its last digit)."""

    @property
    def rel_error(self) -> Decimal:
        """Relative difference beyond rounding; 0 when both are equal."""
        excess = max(ZERO, abs(self.ours - self.theirs) - self.rounding)
        return excess / max(abs(self.theirs), abs(self.ours)) if excess else ZERO


class Closing(StrEnum):
    """What a liquidation does to the account."""

    DEBT = "debt"
    """Debt is repaid out of the collateral; the rest stays."""
    POSITION = "position"
    """Positions are closed at the market; what they are worth stays as cash."""
    ALL = "all"
    """The account ends: positions and what is posted for them go."""


@dataclass(frozen=True, slots=True)
class Liquidation:
    """What the venue's own rule takes from an account it liquidates: ``max(least, ratio x closed)``.

    closed = ``base_usd`` x ``close_factor``; all of ``base_usd`` where the health is below ``full_below_health``.
    """

    closing: Closing
    base_usd: Decimal
    """What the ratio is a share of, at the block: the debt, the notional, what is left after closing."""
    ratio: Decimal
    """Bonus, penalty or fee, 0.05 = 5 %."""
    close_factor: Decimal = Decimal(1)
    """Share closed at most, at the moment liquidation becomes possible."""
    full_below_health: Decimal = ZERO
    """Health E / k·MM below which everything may be closed at once."""
    least_usd: Decimal = ZERO

    def cost_usd(self, *, deep: bool) -> Decimal:
        """What is lost; ``deep``: below the health at which everything may be closed."""
        share = Decimal(1) if deep else self.close_factor
        return max(self.least_usd, self.ratio * self.base_usd * share)


@dataclass(frozen=True, slots=True)
class Pocket:
    """One token that a venue may let out of an account."""

    token: Instrument
    """What a unit is worth to who takes it."""
    units: Decimal
    """Most that could leave: what is held, and what the venue has at hand."""
    counted: Instrument
    """What the venue's rule values a unit by."""
    weight: Decimal
    """Share of the counted value that the rule loses with it: the threshold of collateral, 1 for cash."""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """The venue's own rule on what may leave, in any state of the world.

    Pockets are emptied in their order. What is taken, weighted, may be no more than the surplus (where
    ``by_surplus``) and no more than any bound; nothing leaves while a gate is below 0.
    """

    pockets: tuple[Pocket, ...]
    by_surplus: bool = False
    """E - k·MM of the account's own exposures is a bound."""
    bounds: tuple[tuple[Exposure, ...], ...] = ()
    """Each: equity less requirement."""
    gates: tuple[tuple[Exposure, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class VenueAccount:
    """The unit of liquidation, by the venue's own rule at the venue's own prices (RISK section 1)."""

    account: AccountId
    venue: VenueId
    sub_account: str
    """'' for a cross account; the market or position id where the venue isolates."""
    at: BlockRef
    positions: tuple[Position, ...]
    exposures: tuple[Exposure, ...]
    equity_usd: Decimal | None
    """E: equity as the venue's own rule values it; None where the venue has no price of its own (idle holdings):
    the price book decides, through the exposures."""
    mm_requirement_usd: Decimal
    """k·MM: the venue's own maintenance requirement."""
    checks: tuple[OwnCheck, ...]
    """At least one, except where the venue offers no figure (wallets, transfers in flight)."""
    liquidatable: bool | None
    """The venue contract's own answer, None where it gives none."""
    degraded: tuple[str, ...] = ()
    """Reasons why a figure may be incomplete (an unknown mode, an unpriced token): makes reports incomplete."""
    withdrawable_usd: Decimal | None = None
    """What the venue's own rule would let out now, None where unknown."""
    withdrawal: Withdrawal | None = None
    """The same rule in any state of the world, None where it is not known."""
    carry_usd_per_day: Decimal = ZERO
    """Interest and funding at the block's rates: positive = the surplus shrinks."""
    liquidation: Liquidation | None = None
    """The venue's rule on this account; None where nobody can liquidate it, or the rule is not known."""

    @property
    def id(self) -> str:
        """Unique and stable: account, venue, sub-account."""
        tail = f"/{self.sub_account}" if self.sub_account else ""
        return f"{self.account}/{self.venue}{tail}"

    @property
    def surplus_usd(self) -> Decimal | None:
        """S = E - k·MM; liquidatable if and only if below 0. None where E is."""
        return None if self.equity_usd is None else self.equity_usd - self.mm_requirement_usd


@dataclass(frozen=True, slots=True)
class ReadFailure:
    """An account that could not be read: a typed gap, never a zero."""

    account: AccountId
    venue: VenueId
    reason: str
    """Code: unreachable | reverted | undecodable | unknown_mode | no_code | no_block | unpriced."""
    detail: str


@dataclass(frozen=True, slots=True)
class ReadResult:
    """Answer of a venue reader: what was read and what was not. An account without a position is in neither."""

    accounts: tuple[VenueAccount, ...] = ()
    failures: tuple[ReadFailure, ...] = ()


def failed(accounts: Sequence[AccountId], venue: VenueId, reason: str, detail: str) -> ReadResult:
    """Answer of a reader that could read nothing, for one reason."""
    return ReadResult(failures=tuple(ReadFailure(a, venue, reason, detail) for a in accounts))
