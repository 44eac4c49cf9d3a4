"""What must be right before the service begins: no chain has only endpoints of another one."""

import asyncio
from collections.abc import Mapping

from aggregator.errors import ConfigError
from chains.caip import ChainId
from chains.errors import ChainError, EndpointError, WrongChainId
from chains.evm.rpc import HttpTransport


async def require_chains(transports: Mapping[ChainId, HttpTransport]) -> None:
    """Ask every endpoint once; raises ConfigError where all of a chain's serve another chain.

    One that is wrong beside others is left out, said once and tried again by the transport; one that does not
    answer may come back, and the chain is unknown until then.
    """
    answers = await asyncio.gather(*map(_proved, transports.values()))
    for (chain, transport), failures in zip(transports.items(), answers, strict=True):
        wrong = [error for error in failures.values() if isinstance(error, WrongChainId)]
        if wrong and len(wrong) == transport.endpoints:
            which = "its endpoint serves" if len(wrong) == 1 else f"all of its {len(wrong)} endpoints serve"
            raise ConfigError(f"chains.{chain}.rpc_urls: {which} another chain: {wrong[0]}")


async def _proved(transport: HttpTransport) -> Mapping[str, EndpointError]:
    try:
        return await transport.prove()
    except ChainError:  # an answer that is none: the transport says so when it is needed
        return {}
