"""Values of the chain layer: block references, calls, positions, venue accounts, typed gaps.

The language between venues and the rest: a venue reader turns contract state into ``VenueAccount`` values. A
venue account is the unit of liquidation (RISK section 1). Its figures at the venue's own prices are exact
(int and Decimal); its behaviour under scenarios is said by ``Exposure`` values: how many units of which
instrument enter economic value V, equity E and requirement k·MM. All are linear in the instruments' unit
values, so one revaluation of the instruments serves every account.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, NewType

from chains.caip import AccountId, Address, AssetId, ChainId

VenueId = NewType("VenueId", str)
"""A protocol deployment holding positions, for example ``aave-v3``. One id on every chain."""

ZERO = Decimal(0)
BOOKED = "booked"
"""Key of ``Position.details``: the amount as the venue's storage keeps it (scaled balance, shares, …), which only
events of the account change. Without the key that is ``raw``; '' marks a leg that moves without such events."""
UNBOOKED = "~"
"""Value of ``BOOKED`` for a leg that appears and goes without events (fees that trades of others leave)."""


class Finality(StrEnum):
    """Tag by which a block was chosen."""

    LATEST = "latest"
    SAFE = "safe"
    FINALIZED = "finalized"


@dataclass(frozen=True, slots=True)
class BlockRef:
    """One block of one chain. Every read of a cycle names it by hash (EIP-1898)."""

    chain: ChainId
    number: int
    hash: str
    parent_hash: str
    timestamp: int
    """block.timestamp, unix seconds UTC."""
    finality: Finality


class ChainStatus(StrEnum):
    """How far a chain can be relied on at a cut."""

    OK = "ok"
    STALLED = "stalled"
    """Its head is older than its limit by the wall clock: no block is used."""
    UNREACHABLE = "unreachable"
    """No endpoint gives a head: no block is used."""
    SEQUENCER_DOWN = "sequencer_down"
    """Its block is read, but nobody can act on the chain."""
    SEQUENCER_RECOVERING = "sequencer_recovering"
    """The sequencer runs again, but not for as long as prices and liquidations need."""


@dataclass(frozen=True, slots=True)
class ChainState:
    """Status of one chain with its reason, '' where there is nothing to say."""

    status: ChainStatus = ChainStatus.OK
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Cut:
    """One block per chain: the state of the world that a cycle reads."""

    blocks: Mapping[ChainId, BlockRef]
    failures: Mapping[ChainId, str] = field(default_factory=dict)
    """Chains without a usable block, with the reason."""
    states: Mapping[ChainId, ChainState] = field(default_factory=dict)
    """Chains that are not what they should be, those without a block among them."""

    def state(self, chain: ChainId) -> ChainState:
        """State of a chain of the cut."""
        return self.states.get(chain, ChainState())

    @property
    def max_skew_s(self) -> int:
        """Largest difference of block timestamps inside the cut."""
        stamps = [block.timestamp for block in self.blocks.values()]
        return max(stamps) - min(stamps) if stamps else 0


class Call(NamedTuple):
    """One read of contract state."""

    to: Address
    data: bytes


class CallResult(NamedTuple):
    """Answer of one call; ``data`` holds the revert data where ``success`` is false."""

    success: bool
    data: bytes


class Log(NamedTuple):
    """One event log of a canonical block."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    block_hash: str
    transaction_hash: str
    log_index: int


class LogFilter(NamedTuple):
    """Inclusive block range, addresses and topics (None matches anything) of eth_getLogs."""

    from_block: int
    to_block: int
    addresses: tuple[Address, ...]
    topics: tuple[tuple[bytes, ...] | None, ...] = ()


# --- instruments: what exposures are counted in; each has one unit value in USD in any state of the world ---


@dataclass(frozen=True, slots=True)
class Fixed:
    """One US dollar in every scenario, as a venue that books a token at par sees it."""


@dataclass(frozen=True, slots=True)
class Spot:
    """One whole token. ``venue_price_usd`` is what the venue's own oracle says; None where no venue prices it."""

    asset: AssetId
    venue_price_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Perp:
    """One unit of base of a linear perpetual; its unit value is the venue's mark (or index) price.

    ``market`` tells apart the marks of one underlying on different venues (basis risk).
    """

    asset: AssetId
    market: str
    venue_price_usd: Decimal


@dataclass(frozen=True, slots=True)
class Option:
    """One European option on one unit of the underlying, cash settled, Black-76."""

    asset: AssetId
    market: str
    is_call: bool
    strike_usd: Decimal
    expiry: int
    """Unix seconds."""
    vol: Decimal
    """Annualised implied volatility by the venue's surface, 0.8 = 80 %."""
    rate: Decimal
    """Continuously compounded, per year."""
    venue_price_usd: Decimal
    """Spot price of the underlying that the venue uses."""


@dataclass(frozen=True, slots=True)
class ClippedFee:
    """Requirement of a perp position with a bounded fee: ``clip(notional * fee_ratio, fee_min, fee_max)``.

    notional = ``size`` x price. Not linear in size, hence an instrument of its own with one unit.
    """

    perp: Perp
    size: Decimal
    """Absolute size, base units."""
    fee_ratio: Decimal
    fee_min_usd: Decimal
    fee_max_usd: Decimal


@dataclass(frozen=True, slots=True)
class ShortOptionFloor:
    """Smallest collateral that Lyra v1 allows for a short option; not linear in amount, hence one unit each.

    Formula and parameters: OptionGreekCache.getMinCollateral (see ``chains/venues/lyra.py``). ``amount`` is
    positive. The vol is the venue's shocked vol of the expiry, a function of time to expiry only.
    """

    option: Option
    amount: Decimal
    shock_vol: Decimal
    spot_shock: Decimal
    """Factor on spot inside the venue's stress: above 1 for calls, below 1 for puts."""
    static_min_usd: Decimal
    """Flat minimum in quote (or ``static_min_base`` x spot for base-collateralised calls)."""
    static_min_base: Decimal
    full_collateral_usd: Decimal | None
    """Upper bound in quote: strike x amount for puts; None where the venue has none in quote."""
    full_collateral_base: Decimal | None
    """Upper bound in base: amount for base-collateralised calls."""


@dataclass(frozen=True, slots=True)
class LpRange:
    """One unit of concentrated liquidity (Uniswap v3) between two prices of ``base`` in ``quote``, whole tokens.

    With p the price of base in quote, held inside [lower, upper], one unit is 1/√p - 1/√upper of base and
    √p - √lower of quote. The price comes from outside, not from the pool: whoever moves the pool there takes the
    difference, so that this is what the position is worth once it follows the market, never more.
    """

    base: AssetId
    quote: AssetId
    lower: Decimal
    upper: Decimal


Instrument = Fixed | Spot | Perp | Option | ClippedFee | ShortOptionFloor | LpRange


@dataclass(frozen=True, slots=True)
class Exposure:
    """Units of one instrument in the account's economic value V, equity E and requirement k·MM.

    Signed: a debt has negative ``value``. A requirement is positive.
    """

    instrument: Instrument
    value: Decimal = ZERO
    equity: Decimal = ZERO
    requirement: Decimal = ZERO


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
