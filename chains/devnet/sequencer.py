"""L2 sequencer uptime feed of the devnet: Chainlink's ArbitrumSequencerUptimeFeed with its Flags contract.

Chainlink deploys one contract per stack; the Arbitrum one serves all L2s here because the read side
(answer 0 = up, 1 = down, startedAt = last change) is the same.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from eth_utils.address import to_checksum_address
from web3.contract import Contract

from chains.caip import Address
from chains.devnet.artifacts import Artifact
from chains.devnet.context import ChainContext
from chains.devnet.packages import package_dir
from chains.devnet.pyth import chain_time
from chains.devnet.solc import compile_sources

SOLC = "0.8.26"
L2_CHAINS = (42161, 10, 8453)
L1_SENDER = Address("0x" + "11" * 20)
"""Stand-in for Chainlink's L1 validator: the only address whose messages change the status."""
ALIAS_OFFSET = 0x1111000000000000000000000000000000001111
"""What Arbitrum adds to the address of an L1 contract that calls an L2 one (AddressAliasHelper)."""
EXTRA = "sequencer_uptime"
"""Key of the feed contract in ``ChainContext.extra``."""

_IMPORT = re.compile(r'import[^;]*?"([^"]+)"', re.DOTALL)
_ROOTS = {
    "ArbitrumSequencerUptimeFeed": "src/v0.8/l2ep/arbitrum/ArbitrumSequencerUptimeFeed.sol",
    "Flags": "src/v0.8/l2ep/Flags.sol",
    "SimpleWriteAccessController": "src/v0.8/shared/access/SimpleWriteAccessController.sol",
}


def artifacts() -> dict[str, Artifact]:
    """The three contracts, compiled once."""
    base = package_dir("@chainlink/contracts#1.4.0")
    sources: dict[str, str] = {}
    for path in _ROOTS.values():
        sources.update(_with_imports(base, path, sources))
    settings = {"optimizer": {"enabled": True, "runs": 200}}
    return compile_sources(SOLC, sources, settings, _ROOTS)


def _with_imports(base: Path, path: str, known: dict[str, str]) -> dict[str, str]:
    if path in known:
        return {}
    text = (base / path).read_text()
    found = {path: text}
    for imported in _imports(path, text):
        found.update(_with_imports(base, imported, {**known, **found}))
    return found


def _imports(path: str, text: str) -> Iterator[str]:
    for target in _IMPORT.findall(text):
        parts: list[str] = []
        for part in (*PurePosixPath(path).parent.parts, *PurePosixPath(target).parts):
            if part == "..":
                parts.pop()
            elif part != ".":
                parts.append(part)
        yield "/".join(parts)


def deploy(ctx: ChainContext) -> Contract:
    """Deploy and initialise as up, at the chain's clock of now."""
    d, built = ctx.deployer, artifacts()
    access = d.deploy(built["SimpleWriteAccessController"])
    flags = d.deploy(built["Flags"], access.address, access.address)
    feed = d.deploy(built["ArbitrumSequencerUptimeFeed"], flags.address, L1_SENDER)
    d.send(access.functions.addAccess(feed.address))
    d.send(flags.functions.addAccess(feed.address))
    d.send(feed.functions.initialize())
    # Reads come through Multicall3, a contract, which the access controller would refuse.
    d.send(feed.functions.disableAccessCheck())
    d.impersonate(_alias(L1_SENDER))
    ctx.extra[EXTRA] = feed
    return feed


def set_down(ctx: ChainContext, down: bool) -> None:
    """Report the sequencer as down or up, as the message from L1 would."""
    function = ctx.extra[EXTRA].functions.updateStatus(down, chain_time(ctx))
    ctx.deployer.send(function, sender=_alias(L1_SENDER))


def _alias(address: str) -> str:
    return to_checksum_address(f"0x{(int(address, 16) + ALIAS_OFFSET) % 2**160:040x}")
