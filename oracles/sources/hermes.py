"""Pyth by HTTP: Hermes' latest prices with confidence. A key is needed; on-chain Pyth needs none.

GET /v2/updates/price/latest?ids[]=…&parsed=true answers ``parsed[].price{price, conf, expo, publish_time}``; the
same publishers as on chain, hence the same group.
"""

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

from chains.types import Cut
from oracles.params import SourceParams
from oracles.sources.http import JsonHttp
from oracles.sources.onchain import Unread
from oracles.types import Quote, QuoteGap, Quotes

GROUP = "pyth"
PATH = "/v2/updates/price/latest"


class HermesSource:
    """Prices by feed id."""

    def __init__(self, http: JsonHttp, ids: Mapping[str, str], params: SourceParams) -> None:
        self._http = http
        self._ids = {key: text.removeprefix("0x").lower() for key, text in ids.items()}
        self._params = params

    @property
    def name(self) -> str:
        """Name of the source."""
        return "pyth@hermes"

    async def quotes(self, keys: Collection[str], cut: Cut, received_at: float) -> Quotes:
        """One quote or gap for each configured key."""
        wanted = {key: self._ids[key] for key in sorted(self._ids) if key in keys}
        if not wanted:
            return Quotes()
        query = [*(("ids[]", "0x" + feed) for feed in wanted.values()), ("parsed", "true")]
        answer = await self._http.get(PATH, query)
        if isinstance(answer, Unread):
            return Quotes(gaps=tuple(self._gap(key, answer.reason, answer.detail) for key in wanted))
        listed = answer.body.get("parsed") if isinstance(answer.body, dict) else None
        if not isinstance(listed, list):
            return Quotes(gaps=tuple(self._gap(key, "undecodable", "no list `parsed`") for key in wanted))
        by_id = {
            str(item.get("id", "")).removeprefix("0x").lower(): item for item in listed if isinstance(item, dict)
        }
        read = [self._quote(key, by_id.get(feed), answer.received_at) for key, feed in wanted.items()]
        return Quotes(
            found=tuple(item for item in read if isinstance(item, Quote)),
            gaps=tuple(item for item in read if isinstance(item, QuoteGap)),
        )

    def _quote(self, key: str, item: Mapping[str, Any] | None, received_at: float) -> Quote | QuoteGap:
        limits = self._params
        if item is None:
            return self._gap(key, "no_answer", "the answer has no such feed")
        try:
            fields = item["price"]
            price, conf = int(fields["price"]), int(fields["conf"])
            expo, published = int(fields["expo"]), int(fields["publish_time"])
        except (KeyError, TypeError, ValueError) as error:
            return self._gap(key, "undecodable", f"price fields: {type(error).__name__} {error}"[:120])
        if not limits.pyth_min_expo <= expo <= limits.pyth_max_expo:
            allowed = f"{limits.pyth_min_expo} to {limits.pyth_max_expo}"
            return self._gap(key, "undecodable", f"exponent is {expo}, allowed {allowed}")
        if price <= 0 or conf < 0:
            return self._gap(key, "invalid", f"price is {price}e{expo}, confidence {conf}e{expo}")
        if conf * 10_000 > price * limits.pyth_max_conf_bps:
            width = f"{Decimal(conf) / price * 10_000:.0f} bps"
            return self._gap(key, "too_wide", f"confidence is {width}, limit {limits.pyth_max_conf_bps} bps")
        detail = {"feed": str(item.get("id", "")), "exponent": str(expo)}
        if isinstance(meta := item.get("metadata"), dict):
            detail |= {name: str(meta[name]) for name in ("slot", "prev_publish_time") if name in meta}
        return Quote(
            price_key=key,
            source=self.name,
            group=GROUP,
            price=Decimal(price).scaleb(expo),
            half_width=Decimal(conf).scaleb(expo),
            observed_at=published,
            received_at=received_at,
            valid_until=published + limits.pyth_max_age_s,
            detail=detail,
        )

    def _gap(self, key: str, reason: str, detail: str) -> QuoteGap:
        return QuoteGap(key, self.name, GROUP, reason, detail)
