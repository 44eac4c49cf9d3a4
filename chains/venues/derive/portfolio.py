"""A portfolio manager's desk (PMRM_2, PMRM_2_1): rounds of questions, the state for the model, the account.

The manager nets one underlying with cash and listed collateral. Everything it computes with is read at the block:
its scenarios, the parameters of the library that it uses for this sub-account, spot, stable, perp and collateral
feeds, forwards with the part that the settlement average has fixed, rates, volatilities and their confidences. The
library of an older manager has no such parameters: then its own figures stand unchecked, and the account says so.
Source: derivexyz/v2-core, interfaces of PMRM_2 and PMRMLib_2.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from chains.accounts import VenueAccount
from chains.caip import Address
from chains.errors import BadAnswer
from chains.evm.abi import Function
from chains.evm.batch import Batch, UnknownMode
from chains.margin_state import (
    CollateralState,
    ExpiryState,
    MarginRule,
    MarginState,
    MarketState,
    OptionHeld,
)
from chains.types import BlockRef
from chains.venues.derive.decode import (
    Cash,
    CollateralLeg,
    Legs,
    OptionLeg,
    PerpLeg,
    decode_by_manager,
    whole,
)
from chains.venues.derive.holding import (
    PERP_PRICE,
    RESULT,
    SPOT,
    Desk,
    SubAccount,
    ask_margins,
    ask_vols,
    named,
    option_id,
    price_of,
    said_by,
)
from chains.venues.derive.modelling import modelled, state_or_why_not
from chains.venues.derive.parameters import GETTERS, parameters

NOTHING: Final = Address("0x" + "0" * 40)
PARTS: Final = ("option", "perp", "spotFeed", "stableFeed", "forwardFeed", "interestRateFeed", "volFeed", "lib")
"""Contracts that the manager names."""

NO_EXPOSURES: Final = "the worst of a portfolio manager's scenarios over a whole book is no sum over instruments"

_ACCOUNT_LIB: Final = Function("getAccountLib(uint256)", "(address)")
_SCENARIOS: Final = Function("getScenarios()", "((uint256,uint8,uint256)[])")
_COLLATERAL_FEED: Final = Function("collateralSpotFeeds(address)", "(address)")
_COLLATERAL: Final = Function("getCollateralParameters(address)", "((bool,bool,uint256,uint256))")
_FORWARD: Final = Function("getForwardPricePortions(uint64)", "(uint256,uint256,uint256)")
_RATE: Final = Function("getInterestRate(uint64)", "(int256,uint256)")


class PortfolioDesk(Desk):
    """Rounds of questions about sub-accounts of one portfolio manager."""

    @property
    def rounds(self) -> tuple[Callable[[SubAccount, Batch, Batch], None], ...]:
        """The questions."""
        return (self._ask_contracts, self._ask_feeds)

    def _ask_contracts(self, sub: SubAccount, batch: Batch, _: Batch) -> None:
        ask_margins(sub, batch)
        for part in PARTS:
            batch.ask((self._manager, part), Function(f"{part}()", "(address)"), self._manager)
        batch.ask((self._manager, "scenarios"), _SCENARIOS, self._manager)
        batch.ask((sub.id, "lib"), _ACCOUNT_LIB, self._manager, sub.id)
        for one in sub.balances:
            batch.ask((self._manager, "feed", one.asset), _COLLATERAL_FEED, self._manager, one.asset)

    def _ask_feeds(self, sub: SubAccount, batch: Batch, known: Batch) -> None:
        if not all(known.answered((self._manager, part)) for part in PARTS):
            return
        at = {part: self._part(part, known) for part in PARTS}
        lib = self._lib(sub, known)
        for name, getter in GETTERS.items():
            batch.ask((lib, name), getter, lib)
        for feed in ("spotFeed", "stableFeed"):
            batch.ask((at[feed], "spot"), SPOT, at[feed])
        for one in sub.balances:
            if one.asset == at["option"]:
                self._ask_option(one.sub_id, at, batch)
            elif one.asset == at["perp"]:
                batch.ask((one.asset, "price"), PERP_PRICE, one.asset)
                batch.ask((sub.id, "result"), RESULT, one.asset, sub.id)
            elif one.asset not in self._infos["cash"]:
                self._ask_collateral(one.asset, lib, batch, known)

    def _ask_option(self, sub_id: int, at: dict[str, Address], batch: Batch) -> None:
        if not 0 < sub_id < 2**96:
            return
        option = option_id(sub_id)
        batch.ask((at["forwardFeed"], option.expiry), _FORWARD, at["forwardFeed"], option.expiry)
        batch.ask((at["interestRateFeed"], "rate", option.expiry), _RATE, at["interestRateFeed"], option.expiry)
        ask_vols(at["volFeed"], iter([option]), batch)

    def _ask_collateral(self, asset: Address, lib: Address, batch: Batch, known: Batch) -> None:
        if known.answered((self._manager, "feed", asset)):
            feed = known.value((self._manager, "feed", asset))
            if feed != NOTHING:
                batch.ask((feed, "spot"), SPOT, feed)
                batch.ask((lib, asset), _COLLATERAL, lib, asset)

    def _part(self, part: str, known: Batch) -> Address:
        return Address(known.value((self._manager, part)))

    def _lib(self, sub: SubAccount, known: Batch) -> Address:
        """The parameter library of this sub-account: PMRM_2_1 may have another for some."""
        if known.answered((sub.id, "lib")):
            return Address(known.value((sub.id, "lib")))
        return self._part("lib", known)

    def account(self, sub: SubAccount, known: Batch, rule: MarginRule | None, at: BlockRef) -> VenueAccount:
        """The sub-account; raises BadAnswer, or UnknownMode for an asset that the manager does not take."""
        manager = said_by(sub, known)
        legs = self._legs(sub, known)
        found = modelled(rule, state_or_why_not(lambda: self._state(sub, legs, known, at)))
        return decode_by_manager(sub.account, sub.id, legs, manager, found, NO_EXPOSURES, at)

    def _legs(self, sub: SubAccount, known: Batch) -> Legs:
        cash: list[Cash] = []
        perps: list[PerpLeg] = []
        options: list[OptionLeg] = []
        collaterals: list[CollateralLeg] = []
        option, perp = self._part("option", known), self._part("perp", known)
        for one in sub.balances:
            if one.asset in self._infos["cash"]:
                cash.append(Cash(named(self._infos, "cash", one.asset), one.amount))
            elif one.asset == option:
                info = named(self._infos, "option", one.asset)
                options.append(OptionLeg(info, one.amount, *option_id(one.sub_id)))
            elif one.asset == perp:
                price, result = known.value((perp, "price")), known.value((sub.id, "result"))
                perps.append(PerpLeg(named(self._infos, "perp", perp), 0, one.amount, price, None, result))
            elif known.value((self._manager, "feed", one.asset)) != NOTHING:
                collaterals.append(CollateralLeg(named(self._infos, "base", one.asset), one.amount))
            else:
                raise UnknownMode(f"asset {one.asset} is no collateral of {sub.manager_name}")
        return Legs(cash, perps, (), options, collaterals)

    # --- the state for the model ---

    def _state(self, sub: SubAccount, legs: Legs, known: Batch, at: BlockRef) -> MarginState:
        """Raises BadAnswer where something of it could not be read."""
        lib = self._lib(sub, known)
        spot, confidence = price_of(known, (self._part("spotFeed", known), "spot"))
        perp: dict[str, Decimal] = {}
        for leg in legs.perps:
            price, certainty = price_of(known, (self._part("perp", known), "price"))
            perp = {"perp_amount": whole(leg.size), "perp_price": price, "perp_confidence": certainty}
            perp["perp_result_usd"] = whole(leg.result)
        ends: dict[int, list[OptionLeg]] = {}
        for option in legs.options:
            ends.setdefault(option.expiry, []).append(option)
        expiries = tuple(self._expiry(expiry, held, known, at) for expiry, held in ends.items())
        return MarginState(
            model="pm2",
            parameters=parameters(known.value((self._manager, "scenarios")), lib, known),
            cash_usd=sum((whole(one.balance) for one in legs.cash), Decimal(0)),
            stable_price=price_of(known, (self._part("stableFeed", known), "spot"))[0],
            markets=(MarketState("underlying", spot, confidence, expiries=expiries, **perp),),
            collaterals=self._collaterals(sub, lib, known),
        )

    def _expiry(self, expiry: int, held: Sequence[OptionLeg], known: Batch, at: BlockRef) -> ExpiryState:
        fixed, moving, certainty = known.values((self._part("forwardFeed", known), expiry))
        rate, rate_certainty = known.values((self._part("interestRateFeed", known), "rate", expiry))
        vols = [price_of(known, (self._part("volFeed", known), expiry, leg.strike)) for leg in held]
        return ExpiryState(
            expiry=expiry,
            seconds=max(0, expiry - at.timestamp),
            forward_moving=whole(moving),
            forward_fixed=whole(fixed),
            rate=whole(rate),
            options=tuple(
                OptionHeld(whole(leg.strike), leg.is_call, whole(leg.size), vol)
                for leg, (vol, _) in zip(held, vols, strict=True)
            ),
            forward_confidence=whole(certainty),
            rate_confidence=whole(rate_certainty),
            vol_confidence=min(confidence for _, confidence in vols),
        )

    def _collaterals(self, sub: SubAccount, lib: Address, known: Batch) -> tuple[CollateralState, ...]:
        apart = {self._part("option", known), self._part("perp", known), *self._infos["cash"]}
        found = []
        for one in sub.balances:
            if one.asset in apart:
                continue
            price, confidence = price_of(known, (known.value((self._manager, "feed", one.asset)), "spot"))
            enabled, cancels, mm_haircut, im_haircut = known.value((lib, one.asset))
            if not enabled:
                raise BadAnswer(f"collateral {one.asset} is not enabled in the manager's library")
            haircuts = whole(mm_haircut), whole(im_haircut)
            found.append(CollateralState(one.asset, whole(one.amount), price, confidence, *haircuts, cancels))
        return tuple(found)
