import pytest

from chains.caip import ChainId
from chains.types import ChainState, ChainStatus, Cut
from oracles.sources.guard import SequencerGuard
from oracles.types import Quotes
from tests.kit.quotes import a_gap, a_quote
from tests.kit.transport import a_block

OP, NOW = ChainId("eip155:10"), 1_700_000_000
DOWN = ChainState(ChainStatus.SEQUENCER_DOWN, "sequencer is down since 1699990000 (uptime feed answers 1)")
GRACE = ChainState(ChainStatus.SEQUENCER_RECOVERING, "sequencer is up again for 5 s only, grace 3600 s")


class OfPools:
    """A source of one quote and one gap, whatever is asked."""

    name = "uniswap@eip155:10"

    async def quotes(self, keys, cut, received_at):
        return Quotes((a_quote("3000", "uniswap", 10),), (a_gap("no_answer", "uniswap", 10, "LINK"),))


async def ask(*states: ChainState) -> Quotes:
    at = Cut({OP: a_block(OP, 5, NOW)}, {}, dict.fromkeys([OP], *states) if states else {})
    return await SequencerGuard(OfPools(), OP).quotes(["ETH", "LINK"], at, NOW)


@pytest.mark.parametrize("state", [DOWN, GRACE])
async def test_no_source_has_a_vote_while_the_sequencer_cannot_be_relied_on(
    state: ChainState,
) -> None:
    answer = await ask(state)
    assert answer.found == ()
    assert [(g.price_key, g.source, g.reason) for g in answer.gaps] == [
        ("LINK", "uniswap@eip155:10", "no_answer"),
        ("ETH", "uniswap@eip155:10", "sequencer"),
    ]
    assert answer.gaps[1].detail == state.reason


@pytest.mark.parametrize("state", [ChainState(), ChainState(ChainStatus.STALLED, "old")])
async def test_otherwise_the_source_speaks_for_itself(state: ChainState) -> None:
    assert len((await ask(state)).found) == len((await ask()).found) == 1
    assert SequencerGuard(OfPools(), OP).name == "uniswap@eip155:10"
