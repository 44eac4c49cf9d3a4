"""The standard manager's desk: what it is asked in three rounds, and the sub-account that the answers make.

Sub-accounts of cash, perpetuals and base assets are counted in the manager's own integers (``decode_standard``);
with options the position-based model decides, recomputed by the rule that the reader is given.
"""

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Final

from chains.accounts import VenueAccount
from chains.errors import BadAnswer
from chains.evm.abi import Function
from chains.evm.batch import Batch, UnknownMode
from chains.instruments import Exposure
from chains.margin_state import CannotModel, ExpiryState, MarginRule, MarginState, MarketState, OptionHeld
from chains.types import BlockRef
from chains.venues.derive.decode import (
    BaseLeg,
    Cash,
    Legs,
    OptionLeg,
    PerpLeg,
    cash_and_perps,
    decode_by_manager,
    decode_standard,
    marked,
    whole,
)
from chains.venues.derive.holding import (
    PERP_PRICE,
    RESULT,
    SPOT,
    Balance,
    Desk,
    OptionId,
    SubAccount,
    ask_margins,
    ask_vols,
    named,
    option_id,
    price_of,
    said_by,
)
from chains.venues.derive.modelling import modelled, state_or_why_not
from chains.venues.derive.options import option_exposures

OPTION, PERPETUAL, BASE = 1, 2, 3
"""AssetType of the standard manager."""

_DETAILS: Final = Function("assetDetails(address)", "((bool,uint8,uint256))")
_PERP_TERMS: Final = Function("perpMarginRequirements(uint256)", "(uint256,uint256)")
_BASE_TERMS: Final = Function("baseMarginParams(uint256)", "(uint256,uint256)")
_OLD_BASE_FACTOR: Final = Function("baseAssetMarginFactor(uint256)", "(uint256)")
_OPTION_TERMS: Final = Function("optionMarginParams(uint256)", f"({','.join(['uint256'] * 8)})")
_ORACLE_TERMS: Final = Function("oracleContingencyParams(uint256)", "(uint256,uint256,uint256,uint256)")
_DEPEG: Final = Function("depegParams()", "(uint256,uint256)")
_STABLE: Final = Function("stableFeed()", "(address)")
_FEEDS: Final = Function("getMarketFeeds(uint256)", "(address,address,address)")
_FORWARD: Final = Function("getForwardPrice(uint64)", "(uint256,uint256)")
_VOL_CONFIDENCE: Final = Function("getExpiryMinConfidence(uint64)", "(uint256)")


class StandardDesk(Desk):
    """Rounds of questions about sub-accounts of the standard manager."""

    @property
    def rounds(self) -> tuple[Callable[[SubAccount, Batch, Batch], None], ...]:
        """The questions."""
        return (self._ask_details, self._ask_terms, self._ask_feeds)

    def _ask_details(self, sub: SubAccount, batch: Batch, _: Batch) -> None:
        ask_margins(sub, batch)
        batch.ask("depeg", _DEPEG, self._manager)
        batch.ask("stable", _STABLE, self._manager)
        for asset in {one.asset for one in sub.balances}:
            if asset not in self._infos["cash"]:
                batch.ask(asset, _DETAILS, self._manager, asset)

    def _ask_terms(self, sub: SubAccount, batch: Batch, known: Batch) -> None:
        if known.answered("stable"):
            batch.ask("stable price", SPOT, known.value("stable"))
        for one, kind, market in self._known(sub, known):
            batch.ask(("feeds", market), _FEEDS, self._manager, market)
            batch.ask(("oracle", market), _ORACLE_TERMS, self._manager, market)
            batch.ask(("perp", market), _PERP_TERMS, self._manager, market)
            batch.ask(("base", market), _BASE_TERMS, self._manager, market)
            batch.ask(("old base", market), _OLD_BASE_FACTOR, self._manager, market)
            if kind == OPTION:
                batch.ask(("option", market), _OPTION_TERMS, self._manager, market)
            if kind == PERPETUAL:
                batch.ask((sub.id, one.asset), RESULT, one.asset, sub.id)
                batch.ask(("price", one.asset), PERP_PRICE, one.asset)

    def _ask_feeds(self, sub: SubAccount, batch: Batch, known: Batch) -> None:
        for one, kind, market in self._known(sub, known):
            if not known.answered(("feeds", market)):
                continue
            spot, forward, vol = known.values(("feeds", market))
            batch.ask(("spot", market), SPOT, spot)
            if kind == OPTION and 0 < one.sub_id < 2**96:
                option = option_id(one.sub_id)
                batch.ask(("forward", market, option.expiry), _FORWARD, forward, option.expiry)
                batch.ask(("vol confidence", market, option.expiry), _VOL_CONFIDENCE, vol, option.expiry)
                ask_vols(vol, iter([option]), batch)

    def _known(self, sub: SubAccount, known: Batch) -> Iterator[tuple[Balance, int, int]]:
        """Balances of whitelisted assets with their kind and market."""
        for one in sub.balances:
            if known.answered(one.asset) and one.asset not in self._infos["cash"]:
                whitelisted, kind, market = known.value(one.asset)
                if whitelisted:
                    yield one, kind, market

    def account(self, sub: SubAccount, known: Batch, rule: MarginRule | None, at: BlockRef) -> VenueAccount:
        """The sub-account; raises BadAnswer, or UnknownMode for an asset that the manager does not name."""
        manager = said_by(sub, known)
        legs = self._legs(sub, known)
        if not legs.options:
            return decode_standard(sub.account, sub.id, legs, manager, at)
        state = state_or_why_not(lambda: self._state(sub, legs, known, at))
        found, exposures = modelled(rule, state), self._exposures(sub, legs, known, state)
        return decode_by_manager(sub.account, sub.id, legs, manager, found, exposures, at)

    def _exposures(
        self, sub: SubAccount, legs: Legs, known: Batch, state: MarginState | str
    ) -> tuple[Exposure, ...] | str:
        """How the sub-account behaves under scenarios, or why that is unknown."""
        if isinstance(state, str):
            return state
        markets = {str(market): one for one, kind, market in self._known(sub, known) if kind == OPTION}
        assets = {market: named(self._infos, "option", one.asset) for market, one in markets.items()}
        bases = [marked(base, state.stable_price) for base in legs.bases]
        try:
            return (*cash_and_perps(legs.cash, legs.perps), *bases, *option_exposures(state, assets))
        except CannotModel as error:
            return f"{error}"

    def _legs(self, sub: SubAccount, known: Batch) -> Legs:
        cash: list[Cash] = []
        perps: list[PerpLeg] = []
        bases: list[BaseLeg] = []
        options: list[OptionLeg] = []
        for one in sub.balances:
            if one.asset in self._infos["cash"]:
                cash.append(Cash(named(self._infos, "cash", one.asset), one.amount))
                continue
            whitelisted, kind, market = known.value(one.asset)
            if whitelisted and kind == OPTION:
                expiry, strike, is_call = option_id(one.sub_id)
                info = named(self._infos, "option", one.asset)
                options.append(OptionLeg(info, one.amount, expiry, strike, is_call))
            elif whitelisted and kind == PERPETUAL:
                perps.append(self._perp(sub.id, one, market, known))
            elif whitelisted and kind == BASE:
                price, factor = known.value(("spot", market)), self._base_terms(market, known)[0]
                bases.append(BaseLeg(named(self._infos, "base", one.asset), one.amount, price, factor))
            else:
                raise UnknownMode(f"asset {one.asset} is of no kind that the standard manager names (type {kind})")
        return Legs(cash, perps, bases, options)

    def _perp(self, sub_account: int, one: Balance, market: int, known: Batch) -> PerpLeg:
        maintenance, _ = known.values(("perp", market))
        price, result = known.value(("price", one.asset)), known.value((sub_account, one.asset))
        return PerpLeg(named(self._infos, "perp", one.asset), market, one.amount, price, maintenance, result)

    def _base_terms(self, market: int, known: Batch) -> tuple[int, int]:
        """Margin factor and its scale for the initial margin; older managers have the factor alone."""
        if known.answered(("base", market)):
            factor, scale = known.values(("base", market))
            return int(factor), int(scale)
        return int(known.value(("old base", market))), 10**18

    # --- the state for the model ---

    def _state(self, sub: SubAccount, legs: Legs, known: Batch, at: BlockRef) -> MarginState:
        """Raises BadAnswer where something of it could not be read."""
        held: dict[int, list[tuple[Balance, int]]] = {}
        for one, kind, market in self._known(sub, known):
            held.setdefault(market, []).append((one, kind))
        threshold, factor = known.values("depeg")
        return MarginState(
            model="standard",
            parameters={
                "id": "standard", "version": sub.manager, "provenance": "read from the manager",
                "depeg_threshold": whole(threshold), "depeg_factor": whole(factor),
                "markets": tuple(self._rule(market, known) for market in held),
            },
            cash_usd=sum((whole(one.balance) for one in legs.cash), Decimal(0)),
            stable_price=price_of(known, "stable price")[0],
            markets=tuple(self._market(sub, market, balances, known, at) for market, balances in held.items()),
        )  # fmt: skip

    def _rule(self, market: int, known: Batch) -> dict[str, object]:
        perp_mm, perp_im = known.values(("perp", market))
        factor, scale = self._base_terms(market, known)
        option = [0] * 8 if not known.asked(("option", market)) else known.values(("option", market))
        perp_low, option_low, base_low, low = known.values(("oracle", market))
        max_req, min_req, call, put, put_mtm, unpaired_im, unpaired_mm, offset = option
        raw = {
            "perp_mm": perp_mm, "perp_im": perp_im, "base_factor": factor, "base_im_scale": scale,
            "max_spot_req": max_req, "min_spot_req": min_req, "mm_call_spot": call, "mm_put_spot": put,
            "mm_put_mtm": put_mtm, "unpaired_mm": unpaired_mm, "unpaired_im": unpaired_im, "mm_offset": offset,
            "perp_threshold": perp_low, "option_threshold": option_low, "base_threshold": base_low,
            "confidence_factor": low,
        }  # fmt: skip
        return {"market": str(market), **{name: whole(value) for name, value in raw.items()}}

    def _market(
        self, sub: SubAccount, market: int, balances: Iterable[tuple[Balance, int]], known: Batch, at: BlockRef
    ) -> MarketState:
        spot, confidence = price_of(known, ("spot", market))
        amounts: dict[str, Decimal] = {}
        ends: dict[int, list[tuple[OptionId, int]]] = {}
        for one, kind in balances:
            if kind == OPTION:
                option = option_id(one.sub_id)
                ends.setdefault(option.expiry, []).append((option, one.amount))
            elif kind == BASE:
                amounts["base_amount"] = whole(one.amount)
            else:
                price, certainty = price_of(known, ("price", one.asset))
                amounts |= {"perp_amount": whole(one.amount), "perp_price": price, "perp_confidence": certainty}
                amounts["perp_result_usd"] = whole(known.value((sub.id, one.asset)))
        expiries = tuple(self._expiry(market, expiry, held, known, at) for expiry, held in ends.items())
        return MarketState(str(market), spot, confidence, expiries=expiries, **amounts)

    def _expiry(
        self, market: int, expiry: int, held: Iterable[tuple[OptionId, int]], known: Batch, at: BlockRef
    ) -> ExpiryState:
        """The position-based rule prices with the whole forward and a discount of 1."""
        forward, confidence = price_of(known, ("forward", market, expiry))
        if not forward:
            raise BadAnswer(f"the forward of expiry {expiry} is 0")
        _, _, feed = known.values(("feeds", market))
        options = tuple(
            OptionHeld(whole(o.strike), o.is_call, whole(amount), price_of(known, (feed, expiry, o.strike))[0])
            for o, amount in held
        )
        return ExpiryState(
            expiry=expiry,
            seconds=max(0, expiry - at.timestamp),
            forward_moving=forward,
            forward_fixed=Decimal(0),
            rate=Decimal(0),
            options=options,
            forward_confidence=confidence,
            vol_confidence=whole(known.value(("vol confidence", market, expiry))),
        )
