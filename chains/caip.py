"""Chain-agnostic ids: CAIP-2 chains, CAIP-10 accounts, CAIP-19 assets.

Every id is a ``NewType`` over ``str`` in its canonical form (addresses checksummed by EIP-55), so two ids of
one thing are equal strings.
"""

import re
from typing import NewType

from eth_utils.address import is_address, is_checksum_address, to_checksum_address

from chains.errors import InvalidId

ChainId = NewType("ChainId", str)
"""CAIP-2, for example ``eip155:42161``."""
Address = NewType("Address", str)
"""20 bytes with the EIP-55 checksum."""
AccountId = NewType("AccountId", str)
"""CAIP-10, for example ``eip155:1:0xAb5801a7D398351b8bE11C439e05C5B3259aeC9B``."""
AssetId = NewType("AssetId", str)
"""CAIP-19, for example ``eip155:1/erc20:0x…`` or ``eip155:1/slip44:60`` (the native coin)."""

_CHAIN = re.compile(r"eip155:([1-9][0-9]{0,31})")


def chain_id(number: int) -> ChainId:
    """CAIP-2 id of an EVM chain number."""
    return ChainId(f"eip155:{number}")


def chain_number(chain: ChainId) -> int:
    """EVM chain number of a CAIP-2 id."""
    return int(chain.removeprefix("eip155:"))


def parse_chain(text: str) -> ChainId:
    """Accept ``eip155:1`` or ``1``; raise InvalidId for anything else."""
    candidate = f"eip155:{text}" if text.isascii() and text.isdigit() else text
    if _CHAIN.fullmatch(candidate) is None:
        raise InvalidId(f"chain: expected CAIP-2 such as eip155:42161, was {text!r}")
    return ChainId(candidate)


def parse_address(text: str, field: str = "address") -> Address:
    """Accept 0x and 40 hex digits; a mixed-case address must carry a right checksum."""
    digits = text.removeprefix("0x")
    mixed = digits not in (digits.lower(), digits.upper())
    if digits == text or not is_address(text) or (mixed and not is_checksum_address(text)):
        raise InvalidId(f"{field}: expected 0x and 40 hex digits with a right EIP-55 checksum, was {text!r}")
    return Address(to_checksum_address(text))


def account_id(chain: ChainId, address: Address) -> AccountId:
    """CAIP-10 id of an address on a chain."""
    return AccountId(f"{chain}:{address}")


def parse_account(text: str) -> AccountId:
    """Accept CAIP-10; raise InvalidId that names the wrong part."""
    chain, separator, address = text.rpartition(":")
    if not separator:
        raise InvalidId(f"account: expected CAIP-10 such as eip155:1:0x…, was {text!r}")
    return account_id(parse_chain(chain), parse_address(address, "account"))


def account_chain(account: AccountId) -> ChainId:
    """Chain of an account."""
    return ChainId(account.rpartition(":")[0])


def account_address(account: AccountId) -> Address:
    """Address of an account."""
    return Address(account.rpartition(":")[2])


def erc20(chain: ChainId, token: Address) -> AssetId:
    """CAIP-19 id of a token."""
    return AssetId(f"{chain}/erc20:{token}")


def native(chain: ChainId) -> AssetId:
    """CAIP-19 id of the chain's own coin (ether on every chain supported today)."""
    return AssetId(f"{chain}/slip44:60")


def asset_chain(asset: AssetId) -> ChainId:
    """Chain of an asset."""
    return ChainId(asset.partition("/")[0])


def asset_address(asset: AssetId) -> Address:
    """Token address of an ERC-20 asset; raises InvalidId for the native coin."""
    _, separator, token = asset.partition("/erc20:")
    if not separator:
        raise InvalidId(f"asset: expected an erc20 asset, was {asset!r}")
    return Address(token)
