"""Two contracts in raw bytecode and the node that carries them, so that the benches need no compiler."""

from collections.abc import Iterator
from contextlib import contextmanager

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from chains.caip import Address, ChainId
from chains.devnet import anvil
from chains.devnet.artifacts import viem_multicall3
from chains.evm.multicall import MULTICALL3

CHAIN = ChainId("eip155:10")
VALUES = 20
LOGS_PER_TX = 250
SIGNATURE = keccak(text="Moved(address,address,uint256,uint256)")


def values_code() -> bytes:
    """``values(address account)``: 20 words, each account + i + the storage slot of that number."""
    steps = b"".join(
        bytes.fromhex(f"60{i:02x}6004350180540161{32 * i:04x}52") for i in range(VALUES)
    )  # PUSH1 i, CALLDATALOAD(4), ADD, DUP1, SLOAD, ADD, MSTORE(32 i)
    return steps + bytes.fromhex(f"61{32 * VALUES:04x}6000f3")


def events_code() -> bytes:
    """Any call emits 250 logs with three topics and two words: the shape of a Transfer with one word more."""
    loop = "5b" + "80600052" + "80602052" + "8080" + "7f" + SIGNATURE.hex() + "60406000a3"
    return bytes.fromhex("6000" + loop + "60010180" + f"61{LOGS_PER_TX:04x}11" + "6002" + "57" + "00")


@contextmanager
def node() -> Iterator[str]:
    """URL of a chain with Multicall3 at its usual address."""
    chain = anvil.start(10)
    try:
        url = chain.http_url
        anvil.rpc(
            url,
            "anvil_setCode",
            MULTICALL3,
            anvil.rpc(url, "eth_getCode", deploy(url, viem_multicall3()), "latest"),
        )
        yield url
    finally:
        chain.stop()


def place(url: str, code: bytes, at: int) -> Address:
    """Put runtime code at an address."""
    address = Address(to_checksum_address(f"0x{at:040x}"))
    anvil.rpc(url, "anvil_setCode", address, "0x" + code.hex())
    return address


def deploy(url: str, creation: str) -> str:
    sender = anvil.rpc(url, "eth_accounts")[0]
    receipt = anvil.rpc(url, "eth_sendTransactionSync", {"from": sender, "data": creation, "gas": "0x1000000"})
    return str(receipt["contractAddress"])
