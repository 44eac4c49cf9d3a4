"""When the loan that the tape breaks first was broken, by the venue's own word."""

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from chains.devnet.acts import ARBITRUM
from chains.devnet.errors import DevnetError
from chains.devnet.world import World

BORROWER = "thin-borrower"
"""Its loan is at Aave on Arbitrum."""
HEALTHY = 10**18


def url_of_breach(world: World) -> str:
    """Where its chain answers."""
    return next(node.http_url for node in world.file.nodes if node.chain == f"eip155:{ARBITRUM}")


def first_breach(world: World) -> int:
    """Number of the first block at which Aave itself says that the loan can be liquidated; it must be broken."""
    chain = world.chains[ARBITRUM]
    (member,) = [portfolio for portfolio in world.portfolios if portfolio.name == BORROWER]
    user = next(a for a in member.accounts if a.startswith(f"eip155:{ARBITRUM}:")).rpartition(":")[2]
    data = "0x" + (keccak(b"getUserAccountData(address)")[:4] + encode(["address"], [user])).hex()
    if chain.aave is None:
        raise DevnetError(f"eip155:{ARBITRUM}: Aave is not deployed there: build the whole world")
    rpc = chain.ctx.deployer.rpc
    number = int(rpc("eth_blockNumber"), 16)
    while True:
        answer = rpc("eth_call", {"to": chain.aave.pool.address, "data": data}, hex(number))
        if decode(["uint256"] * 6, bytes.fromhex(answer[2:]))[5] >= HEALTHY:
            return number + 1
        number -= 1
