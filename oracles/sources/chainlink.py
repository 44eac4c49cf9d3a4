"""Chainlink data feeds: the proxy's last round, with the heartbeat and deviation threshold of each feed.

A feed whose price leaves its allowed range stops instead of answering the bound, and ``answeredInRound`` always
equals the round: age is the only sign of a broken feed. Age counts from ``startedAt``, the observation.
"""

import contextlib
from collections.abc import Collection, Sequence
from decimal import Decimal

from chains.caip import Address
from chains.deployments import ChainlinkFeed
from chains.errors import BadAnswer
from chains.evm.abi import Function
from chains.protocols import ChainClient
from chains.types import CallResult, Cut
from oracles.params import SourceParams
from oracles.sources.onchain import OnChain, Unread
from oracles.types import Quote, QuoteGap, Quotes

DECIMALS = Function("decimals()", "(uint8)")
LATEST = Function("latestRoundData()", "(uint80,int256,uint256,uint256,uint80)")
AGGREGATOR = Function("aggregator()", "(address)")
MIN_ANSWER = Function("minAnswer()", "(int192)")
MAX_ANSWER = Function("maxAnswer()", "(int192)")
GROUP = "chainlink"
MAX_DECIMALS = 36


class ChainlinkSource:
    """All feeds of one chain."""

    def __init__(self, client: ChainClient, feeds: Sequence[ChainlinkFeed], params: SourceParams) -> None:
        self._on = OnChain(GROUP, client)
        self._feeds = tuple(feeds)
        self._params = params
        self._bounds: dict[tuple[Address, int], tuple[int, int] | None] = {}
        """By proxy and phase: they cannot change within a phase, so each is read once."""

    @property
    def name(self) -> str:
        """``chainlink@<chain>``."""
        return self._on.name

    async def quotes(self, keys: Collection[str], cut: Cut, received_at: float) -> Quotes:
        """One quote or gap for each feed of the keys."""
        feeds = [feed for feed in self._feeds if feed.price_key in keys]
        wanted = {feed.price_key for feed in feeds}
        if not feeds:
            return Quotes()
        calls = [call for feed in feeds for call in (DECIMALS.call(feed.proxy), LATEST.call(feed.proxy))]
        answer = await self._on.read(calls, cut)
        if isinstance(answer, Unread):
            return self._on.nothing(wanted, answer)
        _, results = answer
        await self._learn_bounds(feeds, results[1::2], cut)
        pairs = zip(feeds, results[::2], results[1::2], strict=True)
        read = [self._quote(feed, decimals, last, received_at) for feed, decimals, last in pairs]
        return Quotes(
            found=tuple(item for item in read if isinstance(item, Quote)),
            gaps=tuple(item for item in read if isinstance(item, QuoteGap)),
        )

    async def _learn_bounds(self, feeds: Sequence[ChainlinkFeed], rounds: Sequence[CallResult], cut: Cut) -> None:
        """Bounds of aggregators that have not been seen yet; one that has none, or fails, has no bounds."""
        new: list[tuple[Address, int]] = []
        for feed, last in zip(feeds, rounds, strict=True):
            with contextlib.suppress(BadAnswer):
                new.append((feed.proxy, LATEST.decode(last)[0] >> 64))
        new = [item for item in new if item not in self._bounds]
        if not new:
            return
        found = await self._on.read([AGGREGATOR.call(proxy) for proxy, _ in new], cut)
        if isinstance(found, Unread):
            return
        behind: list[tuple[tuple[Address, int], Address]] = []
        for item, result in zip(new, found[1], strict=True):
            try:
                behind.append((item, AGGREGATOR.decode(result)[0]))
            except BadAnswer:
                self._bounds[item] = None
        calls = [function.call(to) for _, to in behind for function in (MIN_ANSWER, MAX_ANSWER)]
        answer = await self._on.read(calls, cut) if calls else None
        if answer is None or isinstance(answer, Unread):
            return
        for (item, _), low, high in zip(behind, answer[1][::2], answer[1][1::2], strict=True):
            try:
                self._bounds[item] = MIN_ANSWER.decode(low)[0], MAX_ANSWER.decode(high)[0]
            except BadAnswer:
                self._bounds[item] = None

    def _bound_warning(self, feed: ChainlinkFeed, round_id: int, answer: int) -> dict[str, str]:
        """A warning near the bounds: beyond them the feed does not answer the bound, it stops."""
        bounds = self._bounds.get((feed.proxy, round_id >> 64))
        if bounds is None:
            return {}
        margin = self._params.bound_margin_bps
        for name, bound, near in (
            ("minAnswer", bounds[0], answer * 10_000 <= bounds[0] * (10_000 + margin)),
            ("maxAnswer", bounds[1], answer * (10_000 + margin) >= bounds[1] * 10_000),
        ):
            if near:
                return {
                    "bound": f"answer {answer} is within {margin} bps of {name} {bound}: the feed stops beyond it"
                }
        return {}

    def _quote(
        self, feed: ChainlinkFeed, decimals: CallResult, last: CallResult, received_at: float
    ) -> Quote | QuoteGap:
        try:
            (places,) = DECIMALS.decode(decimals)
            round_id, answer, started_at, updated_at, _ = LATEST.decode(last)
        except BadAnswer as error:
            return self._on.failed(feed.price_key, error)
        # A round without a time was never answered.
        observed_at = min(started_at, updated_at)
        if places > MAX_DECIMALS:
            return self._on.gap(feed.price_key, "undecodable", f"decimals is {places}, limit {MAX_DECIMALS}")
        if answer <= 0:
            return self._on.gap(feed.price_key, "invalid", f"answer is {answer} in round {round_id}")
        if observed_at == 0:
            detail = f"round {round_id} has startedAt {started_at} and updatedAt {updated_at}"
            return self._on.gap(feed.price_key, "no_answer", detail)
        price = Decimal(answer).scaleb(-places)
        holds_until = observed_at + feed.heartbeat_s
        return Quote(
            price_key=feed.price_key,
            source=self.name,
            group=GROUP,
            price=price,
            half_width=price * feed.deviation_bps / 10_000,
            observed_at=observed_at,
            received_at=received_at,
            holds_until=holds_until,
            valid_until=holds_until + self._params.chainlink_grace_s,
            detail={
                "proxy": feed.proxy,
                "updated_at": str(updated_at),
                **_round(round_id),
                **self._bound_warning(feed, round_id, answer),
            },
        )


def _round(round_id: int) -> dict[str, str]:
    """A proxy's round id holds the phase (which aggregator) above 64 bits of the aggregator's own round."""
    return {"phase": str(round_id >> 64), "round": str(round_id & (2**64 - 1))}
