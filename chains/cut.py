"""The cut: one block per chain, as close together in time as the chains allow."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from chains.caip import ChainId
from chains.errors import ChainError
from chains.evm.client import EvmClient
from chains.types import BlockRef, Cut, Finality

MAX_HEAD_AGE_S: Final[Mapping[Finality, float]] = {
    Finality.LATEST: 300.0,
    Finality.SAFE: 1500.0,
    Finality.FINALIZED: 3600.0,
}
"""Older heads mean a stalled chain or endpoint; Ethereum finalises after about 15 minutes."""

_PROBES: Final = 7
"""Blocks asked per exchange of the search: each one narrows the bracket eightfold."""


async def cut(
    clients: Mapping[ChainId, EvmClient],
    tag: Finality,
    now_s: float,
    *,
    max_head_age_s: float | None = None,
    max_step_back: int = 120,
    max_step_back_s: int = 60,
    timeout_s: float = 15.0,
) -> Cut:
    """One block per chain with the smallest possible ``max_skew_s``.

    All heads are read at once. A chain whose head is ahead of the slowest one is searched for its two blocks
    around that time; of these candidates the tightest combination is taken.

    Parameters
    ----------
    now_s : wall clock, unix seconds.
    max_head_age_s : a head older than that fails its chain; None takes ``MAX_HEAD_AGE_S`` of the tag.
    max_step_back, max_step_back_s : bounds of the search in blocks (full nodes keep the state of 128) and seconds
        (an aligned but old picture would be the worse one).
    timeout_s : a chain without a head by then fails, so that an endpoint that never answers holds up nobody.

    A failing chain stands in ``Cut.failures`` with its reason and does not stop the others.
    """
    limit_s = MAX_HEAD_AGE_S[tag] if max_head_age_s is None else max_head_age_s
    answers = await asyncio.gather(*(_head(client, tag, now_s, limit_s, timeout_s) for client in clients.values()))
    heads = [answer for answer in answers if isinstance(answer, BlockRef)]
    failures = {c: a for c, a in zip(clients, answers, strict=True) if isinstance(a, str)}
    if not heads:
        return Cut({}, failures)
    slowest_s = min(head.timestamp for head in heads)
    targets = [max(slowest_s, head.timestamp - max_step_back_s) for head in heads]
    searches = (_around(clients[h.chain], h, t, max_step_back) for h, t in zip(heads, targets, strict=True))
    found = await asyncio.gather(*searches)
    return Cut({block.chain: block for block in tightest(found)}, failures)


async def _head(
    client: EvmClient, tag: Finality, now_s: float, limit_s: float, timeout_s: float
) -> BlockRef | str:
    try:
        async with asyncio.timeout(timeout_s):
            head = await client.head(tag)
    except TimeoutError:
        return f"{client.chain}: no {tag.value} block within {timeout_s:g} s"
    except ChainError as error:
        return str(error)
    age_s = now_s - head.timestamp
    if age_s > limit_s:
        return f"{client.chain}: {tag.value} block {head.number} is {age_s:.0f} s old, limit {limit_s:.0f} s"
    return head


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
