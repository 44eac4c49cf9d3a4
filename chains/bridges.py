"""Which bridges stand still, read from their own contracts at the cut.

A bridge whose switches cannot be read counts as paused: what may not deliver must not be counted on.
"""

import asyncio
from collections.abc import Mapping

from chains.accounts import VenueId
from chains.caip import ChainId
from chains.deployments import ChainDeployment
from chains.errors import ChainError
from chains.evm.abi import Function
from chains.protocols import ChainClient
from chains.types import ChainStatus, Cut

ACROSS = VenueId("across")
_SWITCHES = (Function("pausedDeposits()", "(bool)"), Function("pausedFills()", "(bool)"))


async def paused_bridges(
    clients: Mapping[ChainId, ChainClient], deployments: Mapping[ChainId, ChainDeployment], at: Cut
) -> frozenset[str]:
    """Names of paused bridges and ids of chains without a block or with a sequencer that is down.

    Across counts as paused as a whole when any of its spoke pools refuses deposits or fills: a rescue may need
    either end.
    """
    spokes = [chain for chain in at.blocks if ACROSS in deployments[chain].venues]
    answers = await asyncio.gather(*(_across_paused(clients[c], deployments[c], at) for c in spokes))
    down = {chain for chain, state in at.states.items() if state.status is ChainStatus.SEQUENCER_DOWN}
    return frozenset(at.failures) | down | (frozenset({"across"}) if any(answers) else frozenset())


async def _across_paused(client: ChainClient, deployment: ChainDeployment, at: Cut) -> bool:
    spoke = deployment.venues[ACROSS]["spoke_pool"]
    try:
        answers = await client.call([switch.call(spoke) for switch in _SWITCHES], at.blocks[client.chain])
        return any(switch.decode(answer)[0] for switch, answer in zip(_SWITCHES, answers, strict=True))
    except ChainError:
        return True
