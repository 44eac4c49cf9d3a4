"""Venue accounts that do not exist, from their legs."""

from dataclasses import dataclass
from decimal import Decimal

from aggregator.errors import ServiceError
from aggregator.registry import AssetRegistry
from aggregator.simulate.model import Hypothetical, Leg
from chains.accounts import Position, PositionKind, VenueAccount, VenueId
from chains.caip import AssetId, ChainId, account_chain, asset_chain, parse_account
from chains.deployments import AssetInfo
from chains.instruments import Exposure, Fixed, Option, Perp, Spot
from chains.types import BlockRef
from oracles.types import PriceBook

ZERO = Decimal(0)
DECIMALS = 18
KINDS = {
    "holding": PositionKind.HOLDING, "collateral": PositionKind.COLLATERAL, "debt": PositionKind.DEBT,
    "cash": PositionKind.COLLATERAL, "perp": PositionKind.PERP, "option": PositionKind.OPTION,
}  # fmt: skip


class CannotSimulate(ServiceError, ValueError):
    """A question that cannot be answered; names the field and what would do."""


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes accounts at a block with the prices of a book."""

    registry: AssetRegistry
    book: PriceBook
    haircut_crypto: Decimal
    haircut_stable: Decimal

    def account(self, given: Hypothetical, at: BlockRef) -> VenueAccount:
        """The account; raises CannotSimulate for legs that do not go together."""
        account = parse_account(given.account)
        chain = account_chain(account)
        idle = [leg.kind == "holding" for leg in given.legs]
        if any(idle) and not all(idle):
            raise CannotSimulate("accounts.legs: holdings lie idle; put other legs into another account")
        built = [self._leg(leg, chain, given.venue) for leg in given.legs]
        exposures = tuple(exposure for found, _ in built for exposure in found)
        empty = all(idle)
        return VenueAccount(
            account=account, venue=VenueId(given.venue), sub_account=given.sub_account, at=at,
            positions=tuple(position for _, position in built), exposures=exposures,
            equity_usd=None if empty else ZERO, mm_requirement_usd=ZERO, checks=(),
            liquidatable=None, withdrawable_usd=None,
        )  # fmt: skip

    def _leg(self, leg: Leg, chain: ChainId, venue: str) -> tuple[tuple[Exposure, ...], Position]:
        info = asset_named(self.registry, leg.asset, chain)
        if leg.amount < 0 and leg.kind not in {"perp", "option"}:
            raise CannotSimulate(f"accounts.legs.amount: a {leg.kind} must not be negative, was {leg.amount}")
        price = leg.price_usd or self._price(info)
        position = Position(
            KINDS[leg.kind], info.asset, f"{info.symbol} {leg.kind}",
            int((-leg.amount if leg.kind == "debt" else leg.amount).scaleb(DECIMALS)), DECIMALS,
            None if leg.kind == "holding" else price,
        )  # fmt: skip
        return self._exposures(leg, info, price, venue), position

    def _price(self, info: AssetInfo) -> Decimal:
        mid = self.book[info.price_key].mid
        if mid is None:
            raise CannotSimulate(f"prices: there is no price of {info.price_key}; give one in `prices`")
        return mid

    def _exposures(self, leg: Leg, info: AssetInfo, price: Decimal, venue: str) -> tuple[Exposure, ...]:
        amount, spot = leg.amount, Spot(info.asset, price)
        match leg.kind:
            case "holding":
                return (holding(info, amount, self.haircut_stable if info.peg else self.haircut_crypto),)
            case "collateral":
                return (Exposure(spot, value=amount, equity=amount * leg.threshold),)
            case "debt":
                return (Exposure(spot, value=-amount, requirement=amount),)
            case "cash":
                if not info.peg:
                    raise CannotSimulate(f"accounts.legs: {info.symbol} is no stable coin; use `collateral`")
                return (Exposure(Spot(info.asset), value=amount), Exposure(Fixed(), equity=amount))
            case "perp":
                mark = Perp(info.asset, f"{venue}/{info.symbol}", price)
                cost = -amount * (leg.entry_usd or price)
                return (
                    Exposure(mark, amount, amount, abs(amount) * leg.maintenance_ratio),
                    Exposure(Fixed(), value=cost, equity=cost),
                )
            case "option":
                return _option(leg, info, price, venue)


def holding(info: AssetInfo, amount: Decimal, haircut: Decimal) -> Exposure:
    """Idle tokens."""
    return Exposure(Spot(info.asset), value=amount, equity=amount * (1 - haircut))


def _option(leg: Leg, info: AssetInfo, price: Decimal, venue: str) -> tuple[Exposure, ...]:
    if leg.strike_usd is None or leg.expiry is None or leg.vol is None or leg.vol > 20:
        raise CannotSimulate("accounts.legs: an option needs strike_usd, expiry and vol (at most 20 = 2000 %)")
    terms = Option(
        info.asset, f"{venue}/{info.symbol}", leg.is_call, leg.strike_usd, leg.expiry, leg.vol, ZERO, price
    )
    found = [Exposure(terms, value=leg.amount, equity=leg.amount)]
    if leg.amount < 0:
        found.append(Exposure(Spot(info.asset, price), requirement=-leg.amount * leg.maintenance_ratio))
    return tuple(found)


def asset_named(registry: AssetRegistry, name: str, chain: ChainId) -> AssetInfo:
    """Registered asset of a CAIP-19 id or of a symbol on a chain; raises CannotSimulate with what there is."""
    info = registry.assets.get(AssetId(name))
    if info is not None and asset_chain(info.asset) == chain:
        return info
    here = [info for info in registry.assets.values() if asset_chain(info.asset) == chain]
    found = next((info for info in here if info.symbol == name), None)
    if found is None:
        known = ", ".join(sorted({info.symbol for info in here})) or "none"
        raise CannotSimulate(f"asset: {name[:60]!r} is not registered on {chain}; there are {known}")
    return found
