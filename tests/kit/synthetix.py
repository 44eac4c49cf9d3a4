"""PerpsV2 states made by hand, the value of its instruments at any price, and a venue without a chain."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from eth_abi.abi import encode

from chains.accounts import VenueAccount
from chains.caip import AccountId, Address, AssetId, account_address, account_id, chain_id, erc20
from chains.deployments import AssetInfo, ChainDeployment
from chains.evm.abi import Function
from chains.instruments import ClippedFee, Exposure, Fixed, Instrument, Perp, Spot
from chains.venues.synthetix import VENUE, rules
from chains.venues.synthetix.decode import Assets, MarketAccount, Theirs
from chains.venues.synthetix.rules import UNIT, Holding, Market, Terms
from tests.kit.transport import FakeChainClient, a_block

CHAIN = chain_id(10)
NOW = 1_700_000_000
SUSD = Address("0x8c6f28f2F1A3C87F0f938b96d27520d9751ec8d9")
SETH = Address("0xE405de8F52ba7559f9df3C368500B6E6ae6Cee49")
USER = account_id(CHAIN, Address("0x1111111111111111111111111111111111111111"))
ASSETS = Assets(erc20(CHAIN, SUSD), erc20(CHAIN, SETH), True)


def wei(amount: str | int) -> int:
    return int(Decimal(amount) * UNIT)


ETH_TERMS = Terms(
    # mainnet-ovm of synthetix 2.102.1: perpsv2-markets.json and params.json
    max_leverage=wei(55), skew_scale=wei(1_000_000), max_funding_velocity=wei(9),
    premium_multiplier=wei("1.5625"), buffer_ratio=wei("0.0075"), min_initial=wei(40),
    fee_ratio=wei("0.0002"), fee_min=wei(4), fee_max=wei(100), keeper_fee=wei(2),
)  # fmt: skip
ETH_MARKET = Market("sETHPERP", "sETH", wei(3000), False, 0, NOW, 0, 0, True)


def theirs_of(market: Market, terms: Terms, held: Holding, now: int = NOW, **other: Any) -> Theirs:
    """What a contract that agrees with our rules would say."""
    accrual = rules.funding(market, terms, now)
    doomed = not market.price_invalid and rules.can_liquidate(held, accrual, market.price, terms)
    own = Theirs(
        remaining=max(0, rules.equity(held, accrual, market.price)),
        accessible=rules.accessible(held, accrual, market.price, terms),
        notional=rules.notional(held, market.price),
        accrued_funding=rules.accrued_funding(held, accrual),
        liquidation_price=rules.liquidation_price(held, accrual, market.price, terms),
        liquidation_fee=rules.liquidation_fee(held.size, market.price, terms) if doomed else 0,
        funding_rate=accrual.rate,
        can_liquidate=doomed,
        flagged=False,
        pending_size=0,
    )
    return replace(own, **other)


def a_read(
    size: int, posted: int, *, market: Market = ETH_MARKET, terms: Terms = ETH_TERMS, now: int = NOW,
    last_price: int | None = None, assets: Assets = ASSETS, **theirs: Any,
) -> MarketAccount:  # fmt: skip
    """An account in a market, by default opened at the market's price just now."""
    price = market.price if last_price is None else last_price
    held = Holding(posted, price if size else 0, size, 1 if size else 0, 0)
    at = a_block(CHAIN, 100, now)
    return MarketAccount(
        USER, at, market, terms, held, theirs_of(market, terms, held, now, **theirs), assets
    )  # fmt: skip


def unit_value(instrument: Instrument, factor: Decimal = Decimal(1)) -> Decimal:
    """Dollars per unit, the underlying's price times a factor; sUSD at par."""
    match instrument:
        case Fixed():
            return Decimal(1)
        case Spot():
            return Decimal(1)
        case Perp():
            return instrument.venue_price_usd * factor
        case ClippedFee():
            fee = instrument.size * instrument.perp.venue_price_usd * factor * instrument.fee_ratio
            return min(max(fee, instrument.fee_min_usd), instrument.fee_max_usd)
        case _:
            raise AssertionError(instrument)


@dataclass(frozen=True)
class Sums:
    """V, E and k·MM by the exposures."""

    value: Decimal
    equity: Decimal
    requirement: Decimal


def sums(account: VenueAccount, factor: Decimal = Decimal(1)) -> Sums:
    def total(field_name: str) -> Decimal:
        units = [(getattr(e, field_name), unit_value(e.instrument, factor)) for e in account.exposures]
        return sum((a * b for a, b in units), Decimal(0))

    return Sums(total("value"), total("equity"), total("requirement"))


def exposure_to(account: VenueAccount, kind: type) -> Exposure:
    (found,) = (e for e in account.exposures if isinstance(e.instrument, kind))
    return found


MANAGER, SETTINGS, STATUS, MARKET = (
    Address("0x" + digit * 40) for digit in "2345"
)  # fmt: skip


@dataclass
class FakeVenue:
    """One market of PerpsV2 answered from a table."""

    client: FakeChainClient = field(default_factory=lambda: FakeChainClient(CHAIN, timestamp=NOW))
    markets: tuple[Address, ...] = (MARKET,)

    def answer(
        self, to: Address, signature: str, outputs: str, values: tuple[object, ...], *arguments: object
    ) -> None:
        types = [outputs[1:-1]] if outputs.startswith("((") else outputs[1:-1].split(",")
        self.client.set(Function(signature, outputs), to, arguments, encode(types, values))

    def refuse(self, to: Address, signature: str, *arguments: object) -> None:
        """Let a call revert."""
        self.client.answers.pop((to, Function(signature).call(to, *arguments).data))

    def stand_up(self, market: Market = ETH_MARKET, terms: Terms = ETH_TERMS) -> "FakeVenue":
        """Global settings and the market's state."""
        key, base = (name.encode().ljust(32, b"\0") for name in (market.key, market.base_asset))
        self.answer(MANAGER, "allMarkets(bool)", "(address[])", (list(self.markets),), True)
        self.answer(STATUS, "systemSuspended()", "(bool)", (False,))
        self.client.set(Function("requireFuturesMarketActive(bytes32)"), STATUS, (key,), b"")
        for name, value in {
            "minInitialMargin()": terms.min_initial, "liquidationFeeRatio()": terms.fee_ratio,
            "minKeeperFee()": terms.fee_min, "maxKeeperFee()": terms.fee_max,
            "keeperLiquidationFee()": terms.keeper_fee,
        }.items():  # fmt: skip
            self.answer(SETTINGS, name, "(uint256)", (value,))
        for name, value in {
            "maxLeverage": terms.max_leverage, "skewScale": terms.skew_scale,
            "maxFundingVelocity": terms.max_funding_velocity,
            "liquidationPremiumMultiplier": terms.premium_multiplier, "liquidationBufferRatio": terms.buffer_ratio,
        }.items():  # fmt: skip
            self.answer(SETTINGS, f"{name}(bytes32)", "(uint256)", (value,), key)
        self.answer(MARKET, "marketKey()", "(bytes32)", (key,))
        self.answer(MARKET, "baseAsset()", "(bytes32)", (base,))
        self.answer(MARKET, "assetPrice()", "(uint256,bool)", (market.price, market.price_invalid))
        self.answer(MARKET, "marketSkew()", "(int128)", (market.skew,))
        self.answer(MARKET, "fundingLastRecomputed()", "(uint32)", (market.funded_at,))
        self.answer(MARKET, "fundingRateLastRecomputed()", "(int128)", (market.funded_rate,))
        self.answer(MARKET, "fundingSequenceLength()", "(uint256)", (3,))
        self.answer(MARKET, "currentFundingRate()", "(int256)", (rules.funding(market, terms, NOW).rate,))
        self.answer(MARKET, "fundingSequence(uint256)", "(int128)", (market.funding_entry,), 2)
        self.answer(MARKET, "fundingSequence(uint256)", "(int128)", (0,), 1)
        self.answer(MARKET, "fundingSequence(uint256)", "(int128)", (0,), 0)
        return self

    def hold(self, account: AccountId, held: Holding, theirs: Theirs) -> None:
        """Position of an account and the contract's figures for it."""
        user = account_address(account)
        stored = (7, held.funding_index, held.posted, held.last_price, held.size)
        self.answer(
            MARKET, "positions(address)", "((uint64,uint64,uint128,uint128,int128))", (stored,), user
        )  # fmt: skip
        order = (False, theirs.pending_size, 0, 0, 0, 0, 0, 0, bytes(32))
        outputs = "((bool,int128,uint128,uint128,uint128,uint128,uint256,uint256,bytes32))"
        self.answer(MARKET, "delayedOrders(address)", outputs, (order,), user)
        for name, value in {
            "remainingMargin": theirs.remaining, "accessibleMargin": theirs.accessible,
            "notionalValue": theirs.notional, "accruedFunding": theirs.accrued_funding,
            "liquidationPrice": theirs.liquidation_price,
        }.items():  # fmt: skip
            kind = "int256" if name in ("notionalValue", "accruedFunding") else "uint256"
            self.answer(MARKET, f"{name}(address)", f"({kind},bool)", (value, False), user)
        self.answer(MARKET, "liquidationFee(address)", "(uint256)", (theirs.liquidation_fee,), user)
        self.answer(MARKET, "canLiquidate(address)", "(bool)", (theirs.can_liquidate,), user)
        self.answer(MARKET, "isFlagged(address)", "(bool)", (theirs.flagged,), user)

    def deployment(self, assets: Mapping[str, AssetId] | None = None) -> ChainDeployment:
        known = {"sUSD": ASSETS.susd, "sETH": ASSETS.base} if assets is None else assets
        infos = tuple(AssetInfo(asset, symbol, 18, symbol, symbol) for symbol, asset in known.items())
        venue = {"futures_market_manager": MANAGER, "settings": SETTINGS, "system_status": STATUS, "susd": SUSD}
        return ChainDeployment(CHAIN, "fake", Address("0x" + "c" * 40), infos, {VENUE: venue})
