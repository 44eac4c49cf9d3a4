"""Reading GMX v2: positions, their markets and terms, the feeds of their tokens, then the venue's own word."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from chains.accounts import ReadFailure, ReadResult, VenueAccount
from chains.caip import AccountId, Address, account_address, erc20
from chains.deployments import AssetInfo, ChainDeployment
from chains.errors import BadAnswer
from chains.evm.batch import Batch, UnknownMode, reason_code
from chains.protocols import ChainClient
from chains.types import BlockRef
from chains.venue_reader import OneChainReader
from chains.venues.gmx import layout
from chains.venues.gmx.decode import FLOAT, VENUE, Own, Terms, Trade, decode_trade

MOST_POSITIONS: Final = 1000
NOBODY: Final = Address("0x" + "0" * 40)


class Unpriced(BadAnswer):
    """A token has no usable feed."""


class Place(NamedTuple):
    """A position and where it is."""

    account: AccountId
    market: Address
    token: Address
    trade: Trade

    @property
    def key(self) -> bytes:
        """Its key in the data store."""
        return layout.position_key(account_address(self.account), self.market, self.token, self.trade.is_long)


class GmxReader(OneChainReader):
    """VenueReader of GMX v2 on one chain."""

    def __init__(self, client: ChainClient, deployment: ChainDeployment) -> None:
        super().__init__(VENUE, deployment.chain)
        self._client, self._deployment = client, deployment
        names = deployment.venues[VENUE]
        self._reader, self._store = names["reader"], names["data_store"]
        self._referrals = names["referral_storage"]

    async def _read(self, accounts: Sequence[AccountId], at: BlockRef) -> ReadResult:
        """Every position of the accounts; one that cannot be read is a failure of its account."""
        places, failures = await self._places(accounts, at)
        terms = self._ask_terms(places)
        await terms.run(self._client, at)
        feeds = self._ask_feeds(places, terms)
        await feeds.run(self._client, at)
        rounds = Batch()
        for token in self._tokens(places, terms):
            if feeds.answered((token, "feed")):
                rounds.ask(token, layout.ROUND, feeds.value((token, "feed")))
        await rounds.run(self._client, at)
        asked = Batch()
        ready: list[tuple[Place, Terms]] = []
        for place in places:
            try:
                ready.append((place, self._ask_own(asked, place, terms, feeds.joined(rounds))))
            except BadAnswer as error:
                failures.append(_failure(place.account, error))
        await asked.run(self._client, at)
        read: list[VenueAccount] = []
        for place, found in ready:
            try:
                read.append(decode_trade(place.account, place.trade, found, _own(place, asked), at))
            except BadAnswer as error:
                failures.append(_failure(place.account, error))
        return ReadResult(tuple(read), tuple(failures))

    async def _places(self, accounts: Iterable[AccountId], at: BlockRef) -> tuple[list[Place], list[ReadFailure]]:
        batch = Batch()
        for account in accounts:
            arguments = (self._store, account_address(account), 0, MOST_POSITIONS)
            batch.ask(account, layout.POSITIONS, self._reader, *arguments)
        await batch.run(self._client, at)
        places: list[Place] = []
        failures: list[ReadFailure] = []
        for account in accounts:
            try:
                props = positions_of(batch, account)
            except BadAnswer as error:
                failures.append(_failure(account, error))
                continue
            for (_, market, token), numbers, (is_long,) in props:
                places.append(Place(account, market, token, Trade(is_long, *numbers[:3])))
        return places, failures

    def _ask_terms(self, places: Iterable[Place]) -> Batch:
        batch = Batch()
        batch.ask("least", layout.UINT, self._store, layout.key("MIN_COLLATERAL_USD"))
        for market in {place.market for place in places}:
            batch.ask(market, layout.MARKET, self._reader, self._store, market)
            factor = layout.key_of("MIN_COLLATERAL_FACTOR_FOR_LIQUIDATION", market)
            bound = layout.key_of("MAX_POSITION_IMPACT_FACTOR_FOR_LIQUIDATIONS", market)
            batch.ask((market, "factor"), layout.UINT, self._store, factor)
            batch.ask((market, "bound"), layout.UINT, self._store, bound)
        return batch

    def _tokens(self, places: Iterable[Place], terms: Batch) -> list[Address]:
        markets = {place.market for place in places}
        return sorted({t for m in markets if terms.answered(m) for t in terms.value(m)[1:]})

    def _ask_feeds(self, places: Iterable[Place], terms: Batch) -> Batch:
        batch = Batch()
        for token in self._tokens(places, terms):
            batch.ask((token, "feed"), layout.ADDRESS, self._store, layout.key_of("PRICE_FEED", token))
            multiplier = layout.key_of("PRICE_FEED_MULTIPLIER", token)
            batch.ask((token, "multiplier"), layout.UINT, self._store, multiplier)
        return batch

    def _ask_own(self, batch: Batch, place: Place, terms: Batch, feeds: Batch) -> Terms:
        """Ask the venue about a position at the prices of its feeds; raises BadAnswer where terms are missing."""
        market = terms.value(place.market)
        _, index, long_token, short_token = market
        prices = tuple((price, price) for price in (_price(t, feeds) for t in (index, long_token, short_token)))
        key = place.key
        shared = (self._store, self._referrals, key)
        batch.ask((key, "info"), layout.INFO, self._reader, *shared, prices, 0, NOBODY, True)
        batch.ask((key, "verdict"), layout.LIQUIDATABLE, self._reader, *shared, market, prices, True, True)
        return Terms(
            market=place.market,
            index=self._asset(index),
            token=self._asset(place.token),
            index_price=prices[0][0],
            token_price=_price(place.token, feeds),
            least_usd=terms.value("least"),
            factor=terms.value((place.market, "factor")),
            impact_bound=terms.value((place.market, "bound")),
        )

    def _asset(self, token: Address) -> AssetInfo:
        info = self._deployment.asset(erc20(self.chain, token))
        if info is None:
            raise UnknownMode(f"token {token} is not a registered asset of {self.chain}: add it")
        return info


def positions_of(batch: Batch, account: AccountId) -> list[Any]:
    """Structs of the account's positions; raises UnknownMode where their length is not that of the release."""
    result = batch.result(account)
    if result.success and len(result.data) >= 2 * layout.WORD:
        count = int.from_bytes(result.data[layout.WORD : 2 * layout.WORD])
        expected = (2 + count * layout.PROPS_WORDS) * layout.WORD
        if len(result.data) != expected:
            raise UnknownMode(
                f"{count} positions take {len(result.data)} bytes, expected {expected} of release 2.2"
            )
        if count >= MOST_POSITIONS:
            raise UnknownMode(f"{count} positions or more: only {MOST_POSITIONS} are read")
    return list(batch.value(account))


def _price(token: Address, feeds: Batch) -> int:
    """1e-30 dollars per smallest unit, as the venue scales a feed's answer; raises Unpriced."""
    feed = feeds.value((token, "feed"))
    multiplier = feeds.value((token, "multiplier"))
    if feed == NOBODY or not multiplier:
        raise Unpriced(f"token {token}: the venue's data store names no price feed")
    answer = feeds.values(token)[1]
    if answer <= 0:
        raise Unpriced(f"token {token}: its feed answers {answer}")
    return int(answer * multiplier // FLOAT)


def _own(place: Place, asked: Batch) -> Own:
    """Raises UnknownMode where the structs are of another release, BadAnswer where they cannot be read."""
    info = asked.result((place.key, "info"))
    if info.success and info.data and len(info.data) != layout.INFO_WORDS * layout.WORD:
        expected = layout.INFO_WORDS * layout.WORD
        raise UnknownMode(f"getPositionInfo: {len(info.data)} bytes, expected {expected} of release 2.2")
    _, _, fees, execution, result, uncapped, _ = asked.value((place.key, "info"))
    liquidatable, _, (remaining, _, least_for_size) = asked.values((place.key, "verdict"))
    cost, impact = fees[layout.TOTAL_COST], execution[layout.IMPACT] + execution[layout.PENDING_IMPACT]
    return Own(cost, impact, result, uncapped, remaining, least_for_size, liquidatable)


def _failure(account: AccountId, error: BadAnswer) -> ReadFailure:
    reason = "unpriced" if isinstance(error, Unpriced) else reason_code(error)
    return ReadFailure(account, VENUE, reason, str(error))
