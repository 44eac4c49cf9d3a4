"""Exchange rates of staked tokens from their own contracts: what stands behind one, in the base asset.

A rate is not a market price: it knows nothing of a discount (stETH in June 2022) nor of missing backing (rsETH in
April 2026), so it is a group of its own beside the market's. Rates are quoted in the base and composed with it.
"""

from collections.abc import Collection, Sequence
from decimal import Decimal

from chains.deployments import RateFeed
from chains.errors import BadAnswer
from chains.evm.abi import Function
from chains.protocols import ChainClient
from chains.types import Call, CallResult, Cut
from oracles.params import SourceParams
from oracles.sources.onchain import OnChain, Unread
from oracles.types import Quote, QuoteGap, Quotes

GROUP = "rate"
GETTERS = {
    "wsteth": Function("stEthPerToken()", "(uint256)"),
    "reth": Function("getExchangeRate()", "(uint256)"),
    "cbeth": Function("exchangeRate()", "(uint256)"),
    "weeth": Function("getRate()", "(uint256)"),
    "erc4626": Function("convertToAssets(uint256)", "(uint256)"),
}
"""By kind: Lido, Rocket Pool, Coinbase, ether.fi (and others of that form), any ERC-4626 vault."""


class RateSource:
    """The rates of one chain."""

    def __init__(self, client: ChainClient, feeds: Sequence[RateFeed], params: SourceParams) -> None:
        for feed in feeds:
            if feed.kind not in GETTERS:
                raise ValueError(
                    f"rates.{feed.price_key}.kind: expected one of {sorted(GETTERS)}, was {feed.kind!r}"
                )
        self._on = OnChain(GROUP, client)
        self._feeds = tuple(feeds)
        self._params = params

    @property
    def name(self) -> str:
        """``rate@<chain>``."""
        return self._on.name

    async def quotes(self, keys: Collection[str], cut: Cut, received_at: float) -> Quotes:
        """One quote or gap for each feed of the keys."""
        feeds = [feed for feed in self._feeds if feed.price_key in keys]
        if not feeds:
            return Quotes()
        answer = await self._on.read([_call(feed) for feed in feeds], cut)
        if isinstance(answer, Unread):
            return self._on.nothing({feed.price_key for feed in feeds}, answer)
        at, results = answer
        read = [self._one(f, result, at.timestamp, received_at) for f, result in zip(feeds, results, strict=True)]
        return Quotes(
            found=tuple(item for item in read if isinstance(item, Quote)),
            gaps=tuple(item for item in read if isinstance(item, QuoteGap)),
        )

    def _one(self, feed: RateFeed, result: CallResult, stamp: int, received_at: float) -> Quote | QuoteGap:
        try:
            (raw,) = GETTERS[feed.kind].decode(result)
        except BadAnswer as error:
            return self._on.failed(feed.price_key, error)
        if raw <= 0:
            return self._on.gap(feed.price_key, "invalid", f"rate is {raw}")
        return Quote(
            price_key=feed.price_key,
            source=self.name,
            group=GROUP,
            price=Decimal(raw).scaleb(-feed.decimals),
            half_width=Decimal(0),
            observed_at=stamp,
            received_at=received_at,
            holds_until=stamp + self._params.rate_max_age_s,
            valid_until=stamp + self._params.rate_max_age_s,
            in_key=feed.quote_key,
            detail={"contract": feed.contract, "kind": feed.kind},
        )


def _call(feed: RateFeed) -> Call:
    unit = (10**feed.decimals,) if feed.kind == "erc4626" else ()
    return GETTERS[feed.kind].call(feed.contract, *unit)
