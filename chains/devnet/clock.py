"""The clocks of the devnet: chains boot in the past and are brought to the present once deployed."""

from datetime import UTC, datetime

from chains.devnet.context import ChainContext

BOOT_LEAD_S = 7200
"""Chains start this long ago: Perp v2 wants pools older than 1800 s, TWAPs a history, one feed must be stale."""


def wall_s() -> int:
    """Unix seconds of the machine. The devnet makes the chains' clocks, so it is the one that reads it here."""
    return int(datetime.now(UTC).timestamp())


def chain_s(ctx: ChainContext) -> int:
    """Timestamp that the next block will have."""
    return int(ctx.deployer.rpc("eth_getBlockByNumber", "pending", False)["timestamp"], 16)


def to_present(ctx: ChainContext) -> None:
    """Let the chain's clock run with the machine's from now on, and mine a block there."""
    ctx.deployer.rpc("evm_setNextBlockTimestamp", max(wall_s(), chain_s(ctx)))
    ctx.deployer.rpc("evm_mine")
