"""Heads of the chains beside the host's clock."""

from collections.abc import Sequence

from aggregator.clock import host_s
from aggregator.doctor.finding import Finding, failing, warning
from aggregator.wiring import Wired
from chains.caip import ChainId
from chains.cut import MAX_HEAD_AGE_S
from chains.errors import ChainError

CLOCK_FIX = "set the host's time: let it follow NTP (systemd-timesyncd, chrony)"
BEHIND_S = 5.0
"""A block from further in the host's future proves that the host is behind."""
AHEAD_S = 60.0
"""All chains older than this at once: more likely the host is ahead than that every chain stands."""


async def head(wired: Wired, chain: ChainId) -> tuple[Finding, float | None]:
    """Age of the head against its limit, and how far the chain's clock leads the host's."""
    rule = wired.cycle.rules.get(chain)
    tag = (rule.finality if rule else None) or wired.settings.finality
    limits = (rule.max_head_age_s if rule else None, wired.settings.max_head_age_s, MAX_HEAD_AGE_S[tag])
    limit_s = next(limit for limit in limits if limit is not None)
    what = f"chains.{chain}: {tag.value} block is fresh"
    try:
        block = await wired.clients[chain].head(tag)
    except ChainError as error:
        return failing(what, str(error), "see the line of the chain's endpoint"), None
    age_s = host_s() - block.timestamp
    if age_s > limit_s:
        detail = f"block {block.number} is {age_s:.0f} s old, limit {limit_s:.0f} s"
        return failing(what, detail, "use an endpoint that follows the chain, or raise max_head_age_s"), -age_s
    return Finding(what, detail=f"block {block.number}, {max(0.0, age_s):.0f} s old"), -age_s


def clocks(leads: Sequence[float]) -> tuple[Finding, ...]:
    """The host's clock by the chains': from the future it is behind, far from all of them ahead."""
    what = "the host's clock agrees with the chains'"
    if not leads:
        return (warning(what, "no chain told its time", "see the lines of the chains"),)
    most = max(leads)
    if most > BEHIND_S:
        return (failing(what, f"a block is {most:.0f} s in the host's future", CLOCK_FIX),)
    if len(leads) > 1 and most < -AHEAD_S:
        detail = f"the freshest of {len(leads)} chains is {-most:.0f} s behind the host"
        return (warning(what, detail, f"{CLOCK_FIX}; or every endpoint lags"),)
    return (Finding(what, detail=f"the freshest block is {max(0.0, -most):.0f} s old"),)
