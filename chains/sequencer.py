"""Whether the sequencer of an L2 runs, by Chainlink's uptime feed.

``latestRoundData`` answers 0 = up, 1 = down; startedAt is the time of the last change, 0 means never initialised.
While it is down the chain's contracts may still be read, but nobody can act on them in time.
"""

from chains.errors import BadAnswer
from chains.evm.abi import Function
from chains.types import BlockRef, CallResult, ChainState, ChainStatus

LATEST_ROUND = Function("latestRoundData()", "(uint80,int256,uint256,uint256,uint80)")


def sequencer_state(result: CallResult, at: BlockRef, grace_s: int) -> ChainState:
    """State by the feed's answer at the block; a feed that cannot be read counts as down."""
    try:
        _, answer, started_at, _, _ = LATEST_ROUND.decode(result)
    except BadAnswer as error:
        return ChainState(ChainStatus.SEQUENCER_DOWN, f"uptime feed: {error}")
    if answer != 0:
        reason = f"sequencer is down since {started_at} (uptime feed answers {answer})"
        return ChainState(ChainStatus.SEQUENCER_DOWN, reason)
    if started_at == 0:
        return ChainState(ChainStatus.SEQUENCER_DOWN, "uptime feed was never initialised (startedAt 0)")
    up_s = at.timestamp - started_at
    if up_s < grace_s:
        reason = f"sequencer is up again for {up_s} s only, grace {grace_s} s"
        return ChainState(ChainStatus.SEQUENCER_RECOVERING, reason)
    return ChainState()
