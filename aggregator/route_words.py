"""Which ways lead to an account, in words: how long each takes, and how much it brings."""

from collections.abc import Mapping, Sequence
from math import ceil, isfinite

from aggregator.rescue import Rescue
from chains.accounts import VenueAccount
from chains.caip import ChainId
from risk.mobility import Lag, Mobility
from risk.status import duration

TIMED = frozenset({"too_late_to_bridge", "gap_not_closable", "bridge_in_time", "ttl_below_horizon"})
"""Reasons in which time decides, so that the ways that there are belong to the sentence."""
MOST = 3
"""Ways from one chain that are named, soonest first."""
_NAMES = {"cctp": "CCTP", "ccip": "CCIP", "layerzero": "LayerZero", "op": "OP"}
_LEAST_USD, _LEAST_SHARE = 1.0, 0.01
"""Less than that of all that could come is not named: money for gas is no help."""


def route_words(
    target: VenueAccount,
    code: str,
    accounts: Sequence[VenueAccount],
    help_: Rescue,
    mobility: Mobility,
    names: Mapping[ChainId, str],
) -> str:
    """For example ``base to optimism by Across takes 21-58 s up to $400.0k``; '' where time does not decide.

    Each span goes from the median of a calm day to the confidence on a bad one, with noticing, deciding and
    inclusion; the amount is what may leave there or what the route takes, whichever is less.
    """
    if code not in TIMED or target.id not in help_.place:
        return ""
    free: dict[ChainId, float] = {}
    for account in accounts:
        place = help_.place.get(account.id)
        if place is not None and account.id != target.id and help_.movable_usd[place] > _LEAST_USD:
            chain = account.at.chain
            free[chain] = free.get(chain, 0.0) + float(help_.movable_usd[place])
    least = _LEAST_SHARE * sum(free.values())
    free = {chain: usd for chain, usd in free.items() if usd >= least}
    here = target.at.chain
    to = names.get(here, here)
    parts = [f"{_dollars(free[here])} lies on {to} itself"] if here in free else []
    for chain in sorted(free.keys() - {here}, key=lambda chain: -free[chain]):
        ways = sorted(mobility.between(chain, here), key=lambda lag: lag.calm.quantile(0.5))
        several = "; ".join(_way(lag, free[chain], mobility.confidence) for lag in ways[:MOST])
        parts.append(f"{names.get(chain, chain)} to {to} " + (several or "has no open route"))
    return "; ".join(parts)


def _way(lag: Lag, free: float, confidence: float) -> str:
    low, high = lag.calm.quantile(0.5), lag.stress.quantile(confidence)
    amount = _dollars(min(free, lag.route.capacity_usd))
    return f"by {bridge_name(lag.route.bridge)} takes {span(low, high)} up to {amount}"


def bridge_name(bridge: str) -> str:
    """``cctp-v2-standard`` as ``CCTP v2 standard``."""
    first, *rest = bridge.replace("_", "-").split("-")
    if first == "canonical":
        return "the canonical bridge"
    return " ".join([_NAMES.get(first, first.capitalize()), *rest])


def span(low_s: float, high_s: float) -> str:
    """Two durations as one, the longer rounded up: ``27-88 min``, ``3 s``, ``50 s - 41 min``.

    An end that may never come says so.
    """
    if not isfinite(low_s):
        return "a time that nobody can name"
    if not isfinite(high_s):
        return f"{duration(low_s)} or for ever"
    for unit, seconds, most in (("s", 1, 60), ("min", 60, 7200)):
        if low_s >= seconds and high_s < most:
            first, last = int(low_s // seconds), ceil(high_s / seconds)
            return f"{first} {unit}" if first == last else f"{first}-{last} {unit}"
    return f"{duration(low_s)} - {duration(ceil(high_s / 60) * 60)}"


def _dollars(amount: float) -> str:
    """``$1.2m``, ``$400.0k``, ``$120``."""
    for size, letter in ((1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if amount >= size:
            return f"${amount / size:,.1f}{letter}"
    return f"${amount:,.0f}"
