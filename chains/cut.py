"""The cut: one block per chain, as close together in time as the chains allow."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from chains.caip import Address, ChainId
from chains.errors import ChainError
from chains.evm.client import EvmClient
from chains.sequencer import LATEST_ROUND, sequencer_state
from chains.types import BlockRef, ChainState, ChainStatus, Cut, Finality

MAX_HEAD_AGE_S: Final[Mapping[Finality, float]] = {
    Finality.LATEST: 300.0,
    Finality.SAFE: 1500.0,
    Finality.FINALIZED: 3600.0,
}
"""Older heads mean a stalled chain or endpoint; Ethereum finalises after about 15 minutes."""

MAX_STEP_BACK: Final = 120
"""Blocks that a chain may be set back by to be level with the others; full nodes keep the state of 128."""

_PROBES: Final = 7
"""Blocks asked per exchange of the search: each one narrows the bracket eightfold."""


@dataclass(frozen=True, slots=True)
class ChainRule:
    """How the block of one chain is chosen, where that differs from the others."""

    finality: Finality | None = None
    max_head_age_s: float | None = None
    sequencer_uptime: Address | None = None
    """Chainlink's uptime feed on an L2."""
    sequencer_grace_s: int = 3600


_NO_RULES: Final[Mapping[ChainId, ChainRule]] = MappingProxyType({})


_NO_FLOORS: Final[Mapping[ChainId, int]] = MappingProxyType({})


async def cut(
    clients: Mapping[ChainId, EvmClient],
    tag: Finality,
    now_s: float,
    *,
    rules: Mapping[ChainId, ChainRule] = _NO_RULES,
    max_head_age_s: float | None = None,
    max_step_back: int = MAX_STEP_BACK,
    max_step_back_s: int = 60,
    not_before: Mapping[ChainId, int] = _NO_FLOORS,
    timeout_s: float = 15.0,
) -> Cut:
    """One block per chain with the smallest possible ``max_skew_s``.

    All heads are read at once. A chain whose head is ahead of the slowest one is searched for its two blocks
    around that time; of these candidates the tightest combination is taken.

    Parameters
    ----------
    now_s : wall clock, unix seconds.
    rules : chains with a tag or a limit of their own, and the L2s with their sequencer's uptime feed.
    max_head_age_s : a head older than that fails its chain; None takes ``MAX_HEAD_AGE_S`` of the tag.
    max_step_back, max_step_back_s : bounds of the search in blocks (0: the heads, level or not) and seconds (an
        aligned but old picture would be the worse one).
    not_before : blocks that something is known of that the picture must show, whatever skew that costs.
    timeout_s : a chain without a head by then fails, so that an endpoint that never answers holds up nobody.

    A failing chain stands in ``Cut.failures`` with its reason and does not stop the others; ``Cut.states`` says of
    what kind the failure is, and names the chains whose sequencer is down.
    """
    of_chain = {chain: _with_defaults(rules.get(chain), tag, max_head_age_s) for chain in clients}
    answers = await asyncio.gather(*(_head(clients[c], rule, now_s, timeout_s) for c, rule in of_chain.items()))
    heads = [answer for answer in answers if isinstance(answer, BlockRef)]
    broken = {c: a for c, a in zip(clients, answers, strict=True) if isinstance(a, ChainState)}
    failures = {chain: state.reason for chain, state in broken.items()}
    if not heads:
        return Cut({}, failures, broken)
    slowest_s = min(head.timestamp for head in heads)
    targets = [max(slowest_s, head.timestamp - max_step_back_s) for head in heads]
    steps = [min(max_step_back, max(0, h.number - not_before.get(h.chain, 0))) for h in heads]
    searches = (_around(clients[h.chain], h, t, s) for h, t, s in zip(heads, targets, steps, strict=True))
    blocks = {block.chain: block for block in tightest(await asyncio.gather(*searches))}
    # Asked at the head, not at the aligned block: who acts on this acts now.
    states = await asyncio.gather(*(_sequencer(clients[h.chain], of_chain[h.chain], h) for h in heads))
    down = {h.chain: state for h, state in zip(heads, states, strict=True) if state.status is not ChainStatus.OK}
    return Cut(blocks, failures, broken | down)


@dataclass(frozen=True, slots=True)
class _Rule:
    """A ChainRule without gaps."""

    tag: Finality
    limit_s: float
    sequencer_uptime: Address | None
    sequencer_grace_s: int


def _with_defaults(rule: ChainRule | None, tag: Finality, max_head_age_s: float | None) -> _Rule:
    own = rule or ChainRule()
    tag = own.finality or tag
    limits = (own.max_head_age_s, max_head_age_s, MAX_HEAD_AGE_S[tag])
    limit_s = next(limit for limit in limits if limit is not None)
    return _Rule(tag, limit_s, own.sequencer_uptime, own.sequencer_grace_s)


async def _head(client: EvmClient, rule: _Rule, now_s: float, timeout_s: float) -> BlockRef | ChainState:
    what = f"{rule.tag.value} block"
    try:
        async with asyncio.timeout(timeout_s):
            head = await client.head(rule.tag)
    except TimeoutError:
        return ChainState(ChainStatus.UNREACHABLE, f"{client.chain}: no {what} within {timeout_s:g} s")
    except ChainError as error:
        return ChainState(ChainStatus.UNREACHABLE, str(error))
    age_s = now_s - head.timestamp
    if age_s > rule.limit_s:
        reason = f"{client.chain}: {what} {head.number} is {age_s:.0f} s old, limit {rule.limit_s:.0f} s"
        return ChainState(ChainStatus.STALLED, reason)
    return head


async def _sequencer(client: EvmClient, rule: _Rule, at: BlockRef) -> ChainState:
    if rule.sequencer_uptime is None:
        return ChainState()
    try:
        (answer,) = await client.call([LATEST_ROUND.call(rule.sequencer_uptime)], at)
    except ChainError as error:
        return ChainState(ChainStatus.SEQUENCER_DOWN, f"uptime feed: {error}")
    return sequencer_state(answer, at, rule.sequencer_grace_s)


async def _around(client: EvmClient, head: BlockRef, target_s: int, max_step_back: int) -> tuple[BlockRef, ...]:
    """Last block not after the target and the block that follows it; the head alone where that is all there is."""
    if head.timestamp <= target_s:
        return (head,)
    above = head
    floor = max(0, head.number - max_step_back)
    below: BlockRef | None = None
    while (below.number if below else floor - 1) + 1 < above.number:
        first = below.number + 1 if below else floor
        try:
            probes = await client.blocks(_spread(first, above.number - 1), head.finality)
        except ChainError:
            # The head itself was read, so the chain stands; without its past it is only less well aligned.
            break
        for probe in probes:
            if probe.timestamp > target_s:
                above = probe
                break
            below = probe
    return (below, above) if below else (above,)


def _spread(first: int, last: int) -> list[int]:
    """At most ``_PROBES`` block numbers from first to last, increasing, both ends among them."""
    if last - first < _PROBES:
        return list(range(first, last + 1))
    return sorted({first + (last - first) * i // (_PROBES - 1) for i in range(_PROBES)})


def tightest(candidates: Sequence[Sequence[BlockRef]]) -> tuple[BlockRef, ...]:
    """One block of each chain such that their timestamps span the least; the latest of equal spans."""
    best: tuple[tuple[int, int], tuple[BlockRef, ...]] | None = None
    for start in {block.timestamp for blocks in candidates for block in blocks}:
        later = [[block for block in blocks if block.timestamp >= start] for blocks in candidates]
        if not all(later):
            continue
        chosen = tuple(min(blocks, key=lambda block: block.timestamp) for blocks in later)
        span = max(block.timestamp for block in chosen) - start
        if best is None or (span, -start) < best[0]:
            best = ((span, -start), chosen)
    return best[1] if best else ()
