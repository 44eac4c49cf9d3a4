"""EIP-712: from a message to its digest, and who has signed it."""

from typing import Any

from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_utils.crypto import keccak
from pydantic import SecretStr

from aggregator.access.siwe import accepted_by_contract
from aggregator.errors import ConfigError
from aggregator.statements.model import Domain, Message, TypedData, TypedField
from chains.caip import AccountId, Address, ChainId, account_address, account_chain, account_id, chain_number
from chains.protocols import ChainClient
from chains.types import Finality

NAME, VERSION, PRIMARY = "crossmargin margin statement", "1", "Statement"
HALF_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 // 2
"""Half the order of secp256k1: a signature with a larger s has a twin, so it is refused."""
_STRINGS = "string"
_STRUCTS: dict[str, tuple[tuple[str, str], ...]] = {
    "EIP712Domain": (("name", _STRINGS), ("version", _STRINGS), ("chainId", "uint256")),
    PRIMARY: (
        ("id", _STRINGS), ("portfolio", _STRINGS), ("accounts", "string[]"), ("blocks", "Block[]"),
        ("as_of", "uint64"), ("status", _STRINGS), ("status_reason", _STRINGS), ("model", _STRINGS),
        ("model_version", _STRINGS), ("parameters_hash", "bytes32"), ("code_version", _STRINGS),
        ("inputs_hash", "bytes32"), ("report_id", _STRINGS), ("report_leaf", "bytes32"), ("scan_root", "bytes32"),
        ("figures", "Figure[]"), ("venue_accounts", "VenueAccount[]"), ("prices", "Price[]"), ("complete", "bool"),
        ("staleness_s", _STRINGS), ("degraded", "string[]"), ("issued_at", "uint64"), ("expires_at", "uint64"),
        ("signer", _STRINGS),
    ),
    "Block": (
        ("chain", _STRINGS), ("number", "uint64"), ("hash", "bytes32"), ("timestamp", "uint64"),
        ("finality", _STRINGS),
    ),
    "Figure": (("name", _STRINGS), ("value", _STRINGS)),
    "VenueAccount": (
        ("account", _STRINGS), ("venue", _STRINGS), ("sub_account", _STRINGS), ("status", _STRINGS),
        ("equity_usd", _STRINGS), ("mm_requirement_usd", _STRINGS), ("surplus_usd", _STRINGS),
        ("local_floor_usd", _STRINGS),
    ),
    "Price": (
        ("price_key", _STRINGS), ("status", _STRINGS), ("low_usd", _STRINGS), ("mid_usd", _STRINGS),
        ("high_usd", _STRINGS), ("borrow_ceiling_usd", _STRINGS), ("sources", "string[]"),
    ),
}  # fmt: skip
TYPES = {
    name: tuple(TypedField(name=field, type=kind) for field, kind in fields) for name, fields in _STRUCTS.items()
}


def typed(message: Message, chain: ChainId) -> TypedData:
    """Typed data of a message under the domain of the signer's chain."""
    domain = Domain(name=NAME, version=VERSION, chainId=chain_number(chain))
    return TypedData(types=TYPES, primaryType=PRIMARY, domain=domain, message=message)


def well_formed(data: TypedData) -> bool:
    """Whether the data is of this kind of statement: another type list could hide parts from the signature."""
    domain = (data.domain.name, data.domain.version)
    return data.types == TYPES and data.primaryType == PRIMARY and domain == (NAME, VERSION)


def digest_of(data: TypedData) -> bytes:
    """The 32 bytes that are signed."""
    found = _signable(data)
    return bytes(keccak(b"\x19" + found.version + found.header + found.body))


def _signable(data: TypedData) -> SignableMessage:
    plain: dict[str, Any] = data.model_dump(mode="json")
    return encode_typed_data(full_message=plain)


def address_of(key: SecretStr) -> Address:
    """Address of a key; raises ConfigError, which never holds the key."""
    return Address(_account(key).address)


def sign(data: TypedData, key: SecretStr) -> str:
    """Signature as 0x and 130 hex digits, the same for the same data."""
    return "0x" + bytes(_account(key).sign_message(_signable(data)).signature).hex()


def _account(key: SecretStr) -> Any:
    try:
        return Account.from_key(key.get_secret_value())
    except Exception:  # noqa: BLE001 - the library's errors quote what it was given
        raise ConfigError("statements.signing_key: expected 0x and 64 hex digits of a secp256k1 key") from None


def signed_by_key(data: TypedData, signature: bytes, address: Address) -> bool:
    """Whether the address's own key signed; only the one canonical signature counts."""
    if len(signature) != 65 or signature[64] not in {27, 28}:
        return False
    if int.from_bytes(signature[32:64], "big") > HALF_ORDER:
        return False
    try:
        return bool(Account.recover_message(_signable(data), signature=signature) == address)
    except Exception:  # noqa: BLE001 - the library raises many kinds for bytes that are no signature
        return False


async def signed_by_contract(client: ChainClient, data: TypedData, signature: bytes, address: Address) -> bool:
    """Whether the contract at the address stands by the signature now (ERC-1271)."""
    at = await client.head(Finality.LATEST)
    return await accepted_by_contract(client, digest_of(data), signature, address, at)


def signer_of(key: SecretStr, contract: AccountId | None, home: ChainId) -> AccountId:
    """Whose statement it is: the contract's of the settings, else the key's own address on a chain."""
    return contract or account_id(home, address_of(key))


def parts(signer: AccountId) -> tuple[ChainId, Address]:
    """Chain and address of a signer."""
    return account_chain(signer), account_address(signer)
