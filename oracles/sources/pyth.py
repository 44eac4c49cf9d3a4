"""Pyth on chain: the last price that somebody has pushed, with its confidence and publish time.

Read by ``getPriceUnsafe``: age is judged in one place for all sources. The pull model lets whoever pushes choose
any publish time within the contract's window, so the confidence is no bound on freshness.
"""

from collections.abc import Collection
from decimal import Decimal

from chains.deployments import PythFeeds
from chains.errors import BadAnswer
from chains.evm.abi import Function
from chains.protocols import ChainClient
from chains.types import CallResult, Cut
from oracles.params import SourceParams
from oracles.sources.onchain import OnChain, Unread
from oracles.types import Quote, QuoteGap, Quotes

PRICE = Function("getPriceUnsafe(bytes32)", "(int64,uint64,int32,uint256)")
GROUP = "pyth"


class PythSource:
    """The prices of one Pyth contract."""

    def __init__(self, client: ChainClient, feeds: PythFeeds, params: SourceParams) -> None:
        self._on = OnChain(GROUP, client)
        self._params = params
        self._contract = feeds.contract
        self._calls = {key: PRICE.call(feeds.contract, _id(key, text)) for key, text in feeds.ids.items()}

    @property
    def name(self) -> str:
        """``pyth@<chain>``."""
        return self._on.name

    async def quotes(self, keys: Collection[str], cut: Cut, received_at: float) -> Quotes:
        """One quote or gap for each configured key."""
        wanted = [key for key in self._calls if key in keys]
        if not wanted:
            return Quotes()
        answer = await self._on.read([self._calls[key] for key in wanted], cut)
        if isinstance(answer, Unread):
            return self._on.nothing(wanted, answer)
        read = [self._quote(key, result, received_at) for key, result in zip(wanted, answer[1], strict=True)]
        return Quotes(
            found=tuple(item for item in read if isinstance(item, Quote)),
            gaps=tuple(item for item in read if isinstance(item, QuoteGap)),
        )

    def _quote(self, key: str, result: CallResult, received_at: float) -> Quote | QuoteGap:
        limits = self._params
        try:
            price, conf, expo, publish_time = PRICE.decode(result)
        except BadAnswer as error:
            return self._on.failed(key, error)
        if not limits.pyth_min_expo <= expo <= limits.pyth_max_expo:
            allowed = f"{limits.pyth_min_expo} to {limits.pyth_max_expo}"
            return self._on.gap(key, "undecodable", f"exponent is {expo}, allowed {allowed}")
        if price <= 0:
            return self._on.gap(key, "invalid", f"price is {price}e{expo}")
        if publish_time == 0:
            return self._on.gap(key, "no_answer", "publish time is 0")
        if conf * 10_000 > price * limits.pyth_max_conf_bps:
            width = f"{Decimal(conf) / price * 10_000:.0f} bps"
            return self._on.gap(key, "too_wide", f"confidence is {width}, limit {limits.pyth_max_conf_bps} bps")
        return Quote(
            price_key=key,
            source=self.name,
            group=GROUP,
            price=Decimal(price).scaleb(expo),
            half_width=Decimal(conf).scaleb(expo),
            observed_at=publish_time,
            received_at=received_at,
            valid_until=publish_time + limits.pyth_max_age_s,
            detail={"contract": self._contract, "exponent": str(expo)},
        )


def _id(key: str, text: str) -> bytes:
    raw = bytes.fromhex(text.removeprefix("0x"))
    if len(raw) != 32:
        raise ValueError(f"pyth.ids.{key}: expected 0x and 64 hex digits, was {text!r}")
    return raw
