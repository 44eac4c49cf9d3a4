"""Reading Morpho Blue: positions, then prices and rates, then what the contract itself says when tried."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from chains.accounts import ReadFailure, ReadResult, VenueAccount
from chains.caip import AccountId, Address, account_address, erc20
from chains.deployments import AssetInfo, ChainDeployment
from chains.errors import BadAnswer, Reverted
from chains.evm.abi import Function, revert_reason
from chains.evm.batch import Batch, UnknownMode, reason_code
from chains.protocols import ChainClient
from chains.types import BlockRef
from chains.venue_reader import OneChainReader
from chains.venues.morpho.decode import decode_loan, decode_supply
from chains.venues.morpho.rule import VENUE, Holding, Market, Totals, accrued

MARKET_PREFIX: Final = "market:0x"
NO_MODEL: Final = "0x" + "0" * 40
HEALTHY: Final = "position is healthy"
PAST_THE_CHECK: Final = (
    "transferFrom reverted", "transferFrom returned false", "transfer reverted", "transfer returned false",
    "panic code 0x11",
)  # fmt: skip
"""Reasons that a try to liquidate can only fail with once the position was found unhealthy."""

_STRUCT: Final = "(address,address,address,address,uint256)"
_TOTALS: Final = "(uint128,uint128,uint128,uint128,uint128,uint128)"
_PARAMS = Function("idToMarketParams(bytes32)", _STRUCT)
_MARKET = Function("market(bytes32)", _TOTALS)
_POSITION = Function("position(bytes32,address)", "(uint256,uint128,uint128)")
_FEE_RECIPIENT = Function("feeRecipient()", "(address)")
_PRICE = Function("price()", "(uint256)")
_RATE = Function(f"borrowRateView({_STRUCT},{_TOTALS})", "(uint256)")
_ACCRUE = Function(f"accrueInterest({_STRUCT})")
_LIQUIDATE = Function(f"liquidate({_STRUCT},address,uint256,uint256,bytes)", "(uint256,uint256)")


class Place(NamedTuple):
    """Somebody's holding in one market."""

    account: AccountId
    market: bytes
    holding: Holding


class MorphoReader(OneChainReader):
    """VenueReader of Morpho Blue on one chain."""

    def __init__(self, client: ChainClient, deployment: ChainDeployment) -> None:
        super().__init__(VENUE, deployment.chain)
        self._client = client
        self._deployment = deployment
        names = deployment.venues[VENUE]
        self._morpho = names["morpho"]
        self._oracles = {
            bytes.fromhex(name.removeprefix(MARKET_PREFIX)): oracle
            for name, oracle in names.items()
            if name.startswith(MARKET_PREFIX)
        }

    async def _read(self, accounts: Sequence[AccountId], at: BlockRef) -> ReadResult:
        """State of the accounts in every market of the deployment."""
        stored = self._ask_stored(accounts)
        await stored.run(self._client, at)
        places, failures = self._places(accounts, stored)
        used = sorted({place.market for place in places})
        prices = self._ask_prices(used, stored)
        await prices.run(self._client, at)
        tried = self._ask_tries(places, used, stored)
        await tried.run(self._client, at)
        desk = _Desk(self._deployment, self._oracles, at, stored, prices, tried)
        read: list[VenueAccount] = []
        for place in places:
            try:
                read += desk.accounts(place)
            except BadAnswer as error:
                failures.append(ReadFailure(place.account, VENUE, reason_code(error), str(error)))
        return ReadResult(tuple(read), tuple(failures))

    def _ask_stored(self, accounts: Iterable[AccountId]) -> Batch:
        batch = Batch()
        batch.ask("fee_recipient", _FEE_RECIPIENT, self._morpho)
        for market in self._oracles:
            batch.ask(("params", market), _PARAMS, self._morpho, market)
            batch.ask(("totals", market), _MARKET, self._morpho, market)
        for account in accounts:
            for market in self._oracles:
                batch.ask(("at", account, market), _POSITION, self._morpho, market, account_address(account))
        return batch

    def _places(self, accounts: Iterable[AccountId], stored: Batch) -> tuple[list[Place], list[ReadFailure]]:
        """Holdings, and one failure for every account of which any market could not be read."""
        places, failures = [], []
        for account in accounts:
            try:
                held = {market: Holding(*stored.values(("at", account, market))) for market in self._oracles}
            except BadAnswer as error:
                failures.append(ReadFailure(account, VENUE, reason_code(error), str(error)))
                continue
            places += [Place(account, market, holding) for market, holding in held.items() if not holding.empty]
        return places, failures

    def _ask_prices(self, markets: Iterable[bytes], stored: Batch) -> Batch:
        batch = Batch()
        for market in markets:
            if not (stored.answered(("params", market)) and stored.answered(("totals", market))):
                continue
            params = stored.values(("params", market))
            batch.ask(("price", market), _PRICE, params[2])
            if params[3] != NO_MODEL:
                totals = stored.values(("totals", market))
                batch.ask(("rate", market), _RATE, params[3], params, totals)
        return batch

    def _ask_tries(self, places: Iterable[Place], markets: Iterable[bytes], stored: Batch) -> Batch:
        """Accrual and, right behind it, its result: calls of one aggregate share their state.

        Tries to liquidate revert as a whole and so leave nothing behind.
        """
        batch = Batch()
        known = [market for market in markets if stored.answered(("params", market))]
        for market in known:
            batch.ask(("accrue", market), _ACCRUE, self._morpho, stored.values(("params", market)))
            batch.ask(("accrued", market), _MARKET, self._morpho, market)
        for account, market, holding in places:
            if market in known and holding.borrow_shares:
                arguments = (stored.values(("params", market)), account_address(account), 1, 0, b"")
                batch.ask(("try", account, market), _LIQUIDATE, self._morpho, *arguments)
        return batch


class _Desk:
    """Answers of all rounds, put together."""

    def __init__(
        self,
        deployment: ChainDeployment,
        oracles: dict[bytes, Address],
        at: BlockRef,
        stored: Batch,
        prices: Batch,
        tried: Batch,
    ) -> None:
        self._deployment, self._oracles, self._at = deployment, oracles, at
        self._stored, self._prices, self._tried = stored, prices, tried
        self._markets: dict[bytes, tuple[Market, int]] = {}

    def accounts(self, place: Place) -> list[VenueAccount]:
        """One or two venue accounts; raises BadAnswer or UnknownMode."""
        market, fee_shares = self._market(place.market)
        holding = place.holding
        if account_address(place.account) == self._stored.value("fee_recipient"):
            holding = Holding(holding.supply_shares + fee_shares, holding.borrow_shares, holding.collateral)
        found = []
        if holding.borrow_shares or holding.collateral:
            found.append(decode_loan(place.account, holding, market, self._verdict(place), self._at))
        if holding.supply_shares:
            found.append(decode_supply(place.account, holding, market, self._at))
        return found

    def _market(self, market: bytes) -> tuple[Market, int]:
        if market not in self._markets:
            self._markets[market] = self._read_market(market)
        return self._markets[market]

    def _read_market(self, market: bytes) -> tuple[Market, int]:
        loan, collateral, oracle, model, lltv = self._stored.values(("params", market))
        if oracle != self._oracles[market]:
            raise UnknownMode(f"market 0x{market.hex()}: its oracle is {oracle}, expected {self._oracles[market]}")
        rate = 0 if model == NO_MODEL else self._prices.value(("rate", market))
        totals, fee_shares = accrued(Totals(*self._stored.values(("totals", market))), rate, self._at.timestamp)
        self._tried.values(("accrue", market))
        theirs = Totals(*self._tried.values(("accrued", market)))
        if theirs.last_update != self._at.timestamp:
            raise BadAnswer(
                f"market 0x{market.hex()}: tried accrual stands at {theirs.last_update}, "
                f"expected the block's {self._at.timestamp}"
            )
        found = Market(
            market, self._dollar(loan), self._asset(collateral), oracle, lltv,
            self._prices.value(("price", market)), totals, theirs, rate, model,
        )  # fmt: skip
        return found, fee_shares

    def _verdict(self, place: Place) -> bool:
        if not place.holding.borrow_shares:
            return False
        result = self._tried.result(("try", place.account, place.market))
        if result.success:
            return True
        reason = revert_reason(result.data)
        if reason == HEALTHY:
            return False
        if reason in PAST_THE_CHECK:
            return True
        raise Reverted(f"liquidate: reverted: {reason}; that does not tell whether the position is healthy")

    def _asset(self, token: Address) -> AssetInfo:
        info = self._deployment.asset(erc20(self._deployment.chain, token))
        if info is None:
            raise UnknownMode(f"token {token} is not a registered asset of {self._deployment.chain}: add it")
        return info

    def _dollar(self, token: Address) -> AssetInfo:
        info = self._asset(token)
        if info.peg != "USD":
            raise UnknownMode(f"loan token {info.symbol} is no USD stablecoin: its market has no dollar figures")
        return info
