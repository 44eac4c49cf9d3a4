"""Live estimates of bridges by their operators' interfaces; optional, and each one falls back to the default law.

Field names are from the operators' documents (reference/bridge-latency.md 1.4). A live figure may make a route
worse at once: slower, smaller, dearer. It never makes it faster than the default: an operator's estimate says
nothing about the tail.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import exp
from typing import Any

import aiohttp

from aggregator.bridge_laws import Observation
from chains.caip import ChainId, chain_id, chain_number
from risk.errors import RiskInputError
from risk.latency import LatencyLaw, Lognormal
from risk.routes import Route

MOST_BYTES = 1 << 20
"""An answer that is longer is none."""
USDC_UNIT = 10**6
Z_90 = 1.2815515655446004
CCTP_DOMAINS = {1: 0, 10: 2, 42161: 3, 8453: 6}
"""Circle's numbers of chains."""
FAST = 1000
"""Finality threshold of fast transfers."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an operator says; None: nothing about it."""

    median_s: float | None = None
    p90_s: float | None = None
    fee_bps: float | None = None
    capacity_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Live:
    """A route after asking, and why it is the default where it is."""

    route: Route
    reason: str = ""
    """'' where the operator's answer was used whole."""
    said: Estimate | None = None
    """The answer, None where there is none."""


async def across(session: aiohttp.ClientSession, base_url: str, route: Route, token: Mapping[str, str]) -> Live:
    """``/api/suggested-fees``: fill time, fee, what is filled at once. ``token``: USDC address by CAIP-2 chain."""
    query = {
        "inputToken": token[route.source], "outputToken": token[route.destination],
        "originChainId": str(chain_number(ChainId(route.source))),
        "destinationChainId": str(chain_number(ChainId(route.destination))), "amount": str(1000 * USDC_UNIT),
    }  # fmt: skip
    return await _asked(session, f"{base_url}/api/suggested-fees", query, route, _across)


def _across(answer: Any) -> Estimate:
    return Estimate(
        median_s=float(answer["estimatedFillTimeSec"]),
        fee_bps=int(answer["totalRelayFee"]["pct"]) / 1e14,
        capacity_usd=int(answer["limits"]["maxDepositInstant"]) / USDC_UNIT,
    )


async def cctp_fast(session: aiohttp.ClientSession, base_url: str, route: Route) -> Live:
    """``/v2/fastBurn/USDC/allowance`` and ``/v2/burn/USDC/fees/{src}/{dst}``: the fast allowance left."""
    found = await _asked(session, f"{base_url}/v2/fastBurn/USDC/allowance", {}, route, _allowance)
    if found.reason:
        return found
    ends = (CCTP_DOMAINS.get(chain_number(ChainId(end))) for end in (route.source, route.destination))
    path = "/".join(map(str, ends))
    fee = await _asked(session, f"{base_url}/v2/burn/USDC/fees/{path}", {}, found.route, _fast_fee)
    # An allowance that is used up counts although nothing is said about the fee.
    fee_bps = None if fee.said is None else fee.said.fee_bps
    return replace(fee, said=None if found.said is None else replace(found.said, fee_bps=fee_bps))


def _allowance(answer: Any) -> Estimate:
    return Estimate(capacity_usd=float(answer["allowance"]))


def _fast_fee(answer: Any) -> Estimate:
    (fee,) = [float(row["minimumFee"]) for row in answer if row["finalityThreshold"] == FAST]
    return Estimate(fee_bps=fee)


async def ccip(session: aiohttp.ClientSession, base_url: str, route: Route, lane: Mapping[str, str]) -> Live:
    """``/v2/lanes/latency``: 90th percentile of delivery. ``lane``: the operator's query for the pair."""
    return await _asked(session, f"{base_url}/v2/lanes/latency", dict(lane), route, _ccip)


def _ccip(answer: Any) -> Estimate:
    return Estimate(p90_s=float(answer["totalMs"]) / 1_000.0)


async def lifi_status(
    session: aiohttp.ClientSession, base_url: str, transaction_hash: str, bridge: str
) -> Observation | None:
    """``/v1/status``: one realised transfer as an observation; None where it says nothing that can be used."""
    try:
        answer = await _get(session, f"{base_url}/v1/status", {"txHash": transaction_hash})
        sent, received = answer["sending"], answer.get("receiving") or {}
        latency = float(received["timestamp"]) - float(sent["timestamp"]) if answer["status"] == "DONE" else None
        if latency is not None and latency <= 0:
            return None
        source, destination = (str(chain_id(int(end["chainId"]))) for end in (sent, received))
        at = datetime.fromtimestamp(int(sent["timestamp"]), UTC)
        return Observation(at, bridge, source, destination, latency)
    except (aiohttp.ClientError, TimeoutError, KeyError, TypeError, ValueError, AttributeError):
        return None


async def _asked(
    session: aiohttp.ClientSession, url: str, query: Mapping[str, str], route: Route, read: Any
) -> Live:
    try:
        said: Estimate = read(await _get(session, url, query))
        return Live(worsened(route, said), said=said)
    except aiohttp.ClientResponseError as error:
        return Live(route, f"{route.bridge}: answered HTTP {error.status}; the default law stands")
    except (aiohttp.ClientError, TimeoutError) as error:  # their words would hold the address
        return Live(route, f"{route.bridge}: no answer ({type(error).__name__}); the default law stands")
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, RecursionError, RiskInputError) as error:
        words = f"answer not understood ({type(error).__name__}); the default law stands"
        return Live(route, f"{route.bridge}: {words}")


async def _get(session: aiohttp.ClientSession, url: str, query: Mapping[str, str]) -> Any:
    async with session.get(url, params=query) as response:
        response.raise_for_status()
        body = bytearray()
        async for part in response.content.iter_chunked(1 << 16):
            body += part
            if len(body) > MOST_BYTES:
                raise ValueError(f"more than {MOST_BYTES} bytes")
        return json.loads(body)


def worsened(route: Route, said: Estimate) -> Route:
    """Route by the default and what an operator says; raises RiskInputError for figures that make no sense."""
    for name, value in (("median_s", said.median_s), ("p90_s", said.p90_s)):
        if value is not None and not 0 < value < float("inf"):
            raise RiskInputError(f"{name}: must be positive, was {value}")
    for name, value in (("fee_bps", said.fee_bps), ("capacity_usd", said.capacity_usd)):
        if value is not None and not 0 <= value < float("inf"):
            raise RiskInputError(f"{name}: must be finite and >= 0, was {value}")
    most = route.capacity_usd if said.capacity_usd is None else min(said.capacity_usd, route.capacity_usd)
    return replace(
        route,
        law=_slower(route.law, said),
        fee_bps=route.fee_bps if said.fee_bps is None else said.fee_bps,
        capacity_usd=most,
    )


def _slower(law: LatencyLaw, said: Estimate) -> LatencyLaw:
    """Body with the operator's median or 90th percentile where it is later than the default's."""
    median = max(law.body.median_s, said.median_s or 0.0)
    if said.p90_s is not None:
        p90 = law.body.median_s * exp(Z_90 * law.body.log_sd)
        median = max(median, law.body.median_s * said.p90_s / p90)
    return replace(law, body=Lognormal(median, law.body.log_sd))
