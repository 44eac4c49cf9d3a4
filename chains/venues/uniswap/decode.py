"""From an NFT's terms and its pool's state to the venue account. No IO."""

from dataclasses import dataclass
from decimal import Decimal, localcontext

from chains.accounts import BOOKED, UNBOOKED, Position, PositionKind, VenueAccount, VenueId
from chains.caip import AccountId, Address
from chains.deployments import AssetInfo
from chains.haircuts import Haircuts
from chains.instruments import Exposure, LpRange, Spot
from chains.types import BlockRef
from chains.venues.uniswap.liquidity import (
    FeeGrowth,
    amounts,
    fees_owed,
    growth_inside,
    sqrt_ratio_x96,
    tick_price,
)

VENUE = VenueId("uniswap-v3")
PIPS = 1_000_000
PRECISION = 40


@dataclass(frozen=True, slots=True)
class Nft:
    """What the position manager keeps of one position. Amounts raw."""

    id: int
    token0: Address
    token1: Address
    fee_pips: int
    """Fee tier, millionths."""
    lower: int
    upper: int
    liquidity: int
    last: FeeGrowth
    credited: tuple[int, int]

    @property
    def empty(self) -> bool:
        """Nothing is in it any more; the NFT was not burned."""
        return not (self.liquidity or any(self.credited))

    @property
    def pool_key(self) -> tuple[Address, Address, int]:
        """What the factory knows the pool by."""
        return self.token0, self.token1, self.fee_pips


@dataclass(frozen=True, slots=True)
class PoolState:
    """A pool at the block."""

    address: Address
    sqrt_price_x96: int
    tick: int
    growth: FeeGrowth


@dataclass(frozen=True, slots=True)
class Tokens:
    """The two tokens of a pool as the deployment registers them."""

    token0: AssetInfo
    token1: AssetInfo

    @property
    def name(self) -> str:
        """Both symbols."""
        return f"{self.token0.symbol}/{self.token1.symbol}"


def decode_position(
    account: AccountId,
    nft: Nft,
    pool: PoolState,
    outside: tuple[FeeGrowth, FeeGrowth],
    tokens: Tokens,
    haircuts: Haircuts,
    at: BlockRef,
) -> VenueAccount:
    """One NFT; ``outside``: feeGrowthOutside of its lower and its upper tick."""
    inside = growth_inside(pool.growth, *outside, tick=pool.tick, ends=(nft.lower, nft.upper))
    owed = fees_owed(nft.liquidity, inside, nft.last, nft.credited)
    return VenueAccount(
        account=account,
        venue=VENUE,
        sub_account=str(nft.id),
        at=at,
        positions=(*_range_legs(nft, pool, tokens), *_fee_legs(nft, owed, tokens)),
        exposures=_exposures(nft, owed, tokens, haircuts),
        equity_usd=None,
        mm_requirement_usd=Decimal(0),
        checks=(),
        liquidatable=None,
    )


def _exposures(nft: Nft, owed: tuple[int, int], tokens: Tokens, haircuts: Haircuts) -> tuple[Exposure, ...]:
    found = []
    pair = (tokens.token0, tokens.token1)
    if nft.liquidity:
        kept = 1 - max(haircuts.of(info) for info in pair)
        units = whole_liquidity(nft, tokens)
        found.append(Exposure(price_range(nft, tokens), value=units, equity=units * kept))
    for info, raw in zip(pair, owed, strict=True):
        if raw:
            size = Decimal(raw).scaleb(-info.decimals)
            found.append(Exposure(Spot(info.asset), value=size, equity=size * (1 - haircuts.of(info))))
    return tuple(found)


def price_range(nft: Nft, tokens: Tokens) -> LpRange:
    """The range in whole tokens."""
    ends = (tick_price(tick, tokens.token0.decimals, tokens.token1.decimals) for tick in (nft.lower, nft.upper))
    return LpRange(tokens.token0.asset, tokens.token1.asset, *ends)


def whole_liquidity(nft: Nft, tokens: Tokens) -> Decimal:
    """Liquidity in whole tokens: raw over the root of both tokens' units."""
    digits = tokens.token0.decimals + tokens.token1.decimals
    with localcontext(prec=PRECISION):
        odd = Decimal(10).sqrt() if digits % 2 else Decimal(1)
        return Decimal(nft.liquidity).scaleb(-(digits // 2)) / odd


def _range_legs(nft: Nft, pool: PoolState, tokens: Tokens) -> list[Position]:
    if not nft.liquidity:
        return []
    held = amounts(nft.liquidity, pool.sqrt_price_x96, sqrt_ratio_x96(nft.lower), sqrt_ratio_x96(nft.upper))
    terms = price_range(nft, tokens)
    state = "below" if pool.tick < nft.lower else "in range" if pool.tick < nft.upper else "above"
    details = {
        "position": str(nft.id),
        "pool": pool.address,
        "fee_tier_bps": f"{Decimal(nft.fee_pips * 10_000) / PIPS:f}",
        "liquidity": str(nft.liquidity),
        "lower": f"{terms.lower:.10g}",
        "upper": f"{terms.upper:.10g}",
        "pool_price": f"{tick_price(pool.tick, tokens.token0.decimals, tokens.token1.decimals):.10g}",
        "state": state,
        BOOKED: str(nft.liquidity),
    }
    pair = zip((tokens.token0, tokens.token1), held, strict=True)
    return [_leg(info, f"{info.symbol} in {tokens.name} range", raw, details) for info, raw in pair]


def _fee_legs(nft: Nft, owed: tuple[int, int], tokens: Tokens) -> list[Position]:
    pair = zip((tokens.token0, tokens.token1), owed, strict=True)
    details = {"position": str(nft.id), BOOKED: UNBOOKED}
    return [_leg(info, f"{info.symbol} fees of {tokens.name} range", raw, details) for info, raw in pair if raw]


def _leg(info: AssetInfo, label: str, raw: int, details: dict[str, str]) -> Position:
    return Position(PositionKind.LP, info.asset, label, raw, info.decimals, None, details)
