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
    """Let the chain's clock run with the machine's from now on, and mine a block there.

    A chain that is ahead (after ``World.pass_time``) waits at its last block's time until the machine is there.
    """
    latest = int(ctx.deployer.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    mine_at(ctx, max(wall_s(), latest))


def mine_at(ctx: ChainContext, timestamp: int) -> None:
    """Mine an empty block of a timestamp; the clock runs on from there."""
    ctx.deployer.rpc("evm_setNextBlockTimestamp", timestamp)
    ctx.deployer.rpc("evm_mine")
