"""Uniswap v3: the geometric mean price of a window, composed with the quote token's own price. An anchor.

The mean tick is the difference of two cumulative ticks over the window, rounded toward minus infinity, and the
price 1.0001^tick is token1 per token0 in smallest units (Uniswap v3 core, OracleLibrary).
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

from chains.deployments import TwapPool
from chains.errors import BadAnswer
from chains.evm.abi import Function
from chains.protocols import ChainClient
from chains.types import BlockRef, CallResult, Cut
from oracles.params import SourceParams
from oracles.protocols import PriceSource
from oracles.sources.onchain import OnChain, Unread
from oracles.types import Quote, QuoteGap, Quotes

OBSERVE = Function("observe(uint32[])", "(int56[],uint160[])")
SLOT0 = Function("slot0()", "(uint160,int24,uint16,uint16,uint16,uint8,bool)")
GROUP = "uniswap"
TICK_BASE = Decimal("1.0001")
MAX_TICK = 887_272
BPS = Decimal(10_000)
DAY_S = Decimal(86_400)


@dataclass(frozen=True, slots=True)
class MeanTick:
    """Mean tick of the window, and how far the means of its two halves are apart."""

    tick: int
    drift: int


class TwapSource:
    """The pools of one chain. ``legs`` prices their quote tokens, on the same chain and at the same block."""

    def __init__(
        self, client: ChainClient, pools: Sequence[TwapPool], legs: PriceSource, params: SourceParams
    ) -> None:
        for pool in pools:
            if pool.window_s < 2:
                raise ValueError(f"twap {pool.price_key}: window_s must be at least 2, was {pool.window_s}")
        self._on = OnChain(GROUP, client)
        self._pools = tuple(pools)
        self._legs = legs
        self._params = params

    @property
    def name(self) -> str:
        """``uniswap@<chain>``."""
        return self._on.name

    async def quotes(self, keys: Collection[str], cut: Cut, received_at: float) -> Quotes:
        """One quote or gap for each pool of the keys."""
        pools = [pool for pool in self._pools if pool.price_key in keys]
        if not pools:
            return Quotes()
        calls = [
            call
            for pool in pools
            for call in (OBSERVE.call(pool.pool, (pool.window_s, pool.window_s // 2, 0)), SLOT0.call(pool.pool))
        ]
        answer, legs = await asyncio.gather(
            self._on.read(calls, cut), self._legs.quotes({pool.quote_key for pool in pools}, cut, received_at)
        )
        if isinstance(answer, Unread):
            return self._on.nothing({pool.price_key for pool in pools}, answer)
        at, results = answer
        read = [
            self._thin(pool, slot) or self._quote(pool, result, at, legs)
            for pool, result, slot in zip(pools, results[::2], results[1::2], strict=True)
        ]
        return Quotes(
            found=tuple(item for item in read if isinstance(item, Quote)),
            gaps=tuple(item for item in read if isinstance(item, QuoteGap)),
        )

    def _thin(self, pool: TwapPool, slot: CallResult) -> QuoteGap | None:
        """A pool that keeps too few observations: any trade makes its window unanswerable."""
        try:
            cardinality = SLOT0.decode(slot)[3]
        except BadAnswer as error:
            return self._on.failed(pool.price_key, error)
        wanted = self._params.twap_min_cardinality
        if cardinality >= wanted:
            return None
        detail = f"the pool keeps {cardinality} observations, {wanted} wanted: increase its cardinality"
        return self._on.gap(pool.price_key, "thin_history", detail)

    def _quote(self, pool: TwapPool, result: CallResult, at: BlockRef, legs: Quotes) -> Quote | QuoteGap:
        try:
            mean = decode_mean_tick(result, pool.window_s)
        except BadAnswer as error:
            return self._on.failed(pool.price_key, error)
        leg = next((quote for quote in legs.found if quote.price_key == pool.quote_key), None)
        if leg is None:
            gap = next((gap for gap in legs.gaps if gap.price_key == pool.quote_key), None)
            detail = f"{gap.source}: {gap.reason}, {gap.detail}" if gap else f"{self._legs.name} has no such feed"
            return self._on.gap(pool.price_key, "no_leg", f"no price of {pool.quote_key}: {detail}")
        return self._composed(pool, mean, at, leg)

    def _composed(self, pool: TwapPool, mean: MeanTick, at: BlockRef, leg: Quote) -> Quote:
        """Pool price times the leg: widths by interval arithmetic, times of the oldest or first to expire."""
        in_quote = tick_price(mean.tick, pool)
        price = in_quote * leg.price
        own, other = self._width_ratio(mean, pool.window_s), leg.half_width / leg.price
        return Quote(
            price_key=pool.price_key,
            source=self.name,
            group=GROUP,
            price=price,
            half_width=price * (own + other + own * other),
            observed_at=min(at.timestamp - pool.window_s // 2, leg.observed_at),
            received_at=leg.received_at,
            holds_until=_first(at.timestamp, leg.holds_until, leg.observed_at),
            valid_until=_first(at.timestamp + self._params.twap_max_age_s, leg.valid_until, None),
            anchor=True,
            detail={
                "pool": pool.pool, "window_s": str(pool.window_s), "mean_tick": str(mean.tick),
                f"{pool.price_key}/{pool.quote_key}": f"{in_quote:f}",
                f"{pool.quote_key}/USD": f"{leg.price:f} by {leg.source}",
            },
        )  # fmt: skip

    def _width_ratio(self, mean: MeanTick, window_s: int) -> Decimal:
        """How far the mean may be behind the market: what the window shows, at least an ordinary window's move.

        Bounded: in a crash the mean is behind by more, and then it must stand as a dissenter of the live sources
        and not drop out, or there would be no quorum when it matters most.
        """
        limits = self._params
        usual = limits.twap_drift_bps_per_sqrt_day / BPS * (window_s / DAY_S).sqrt()
        seen = TICK_BASE ** abs(mean.drift) - 1
        return min(max(limits.twap_floor_bps / BPS, usual, seen), limits.twap_max_width_bps / BPS)


def decode_mean_tick(result: CallResult, window_s: int) -> MeanTick:
    """Mean tick from the cumulative ticks at the start, middle and end of the window; raises BadAnswer."""
    cumulative, _ = OBSERVE.decode(result)
    if len(cumulative) != 3:
        raise BadAnswer(f"observe: {len(cumulative)} observations, expected 3")
    start, middle, end = cumulative
    late_s = window_s // 2
    tick = _difference(start, end) // window_s
    drift = _difference(middle, end) // late_s - _difference(start, middle) // (window_s - late_s)
    if abs(tick) > MAX_TICK:
        raise BadAnswer(f"observe: mean tick {tick} is beyond {MAX_TICK}")
    return MeanTick(tick, min(max(drift, -2 * MAX_TICK), 2 * MAX_TICK))


def tick_price(tick: int, pool: TwapPool) -> Decimal:
    """Whole quote tokens for one whole base token at a tick."""
    with localcontext() as context:
        context.prec = 40
        ratio = TICK_BASE**tick if pool.base_is_token0 else TICK_BASE**-tick
    return +ratio.scaleb(pool.base_decimals - pool.quote_decimals)


def _difference(earlier: int, later: int) -> int:
    """The contract's int56 counters wrap around."""
    return (later - earlier + 2**55) % 2**56 - 2**55


def _first(own: int, leg: int | None, otherwise: int | None) -> int:
    other = otherwise if leg is None else leg
    return own if other is None else min(own, other)
