"""Sign-In with Ethereum: EIP-4361 messages, strictly parsed, and who may have signed them (EIP-191, ERC-1271)."""

import re
from dataclasses import dataclass, field
from datetime import datetime

from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils.address import is_checksum_address
from eth_utils.crypto import keccak

from aggregator.errors import ServiceError
from chains.caip import Address, ChainId, parse_address
from chains.protocols import ChainClient
from chains.types import BlockRef, Call

ERC1271_MAGIC = bytes.fromhex("1626ba7e")
MOST_BYTES = 4096
_TIME = r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)"
_STAMP = _TIME + r"(?:\.[0-9]+)?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
_URI = r"[A-Za-z][A-Za-z0-9+.-]*:[!#-;=?-\[\]_a-z~%]*"
_AUTHORITY = r"(?:[A-Za-z0-9._~!$&'()*+,;=:%-]*@)?(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?"
_MESSAGE = re.compile(
    rf"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<domain>{_AUTHORITY})"
    r" wants you to sign in with your Ethereum account:\n"
    r"(?P<address>0x[0-9A-Fa-f]{40})\n"
    r"\n(?:(?P<statement>[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;= ]*)\n)?\n"
    rf"URI: (?P<uri>{_URI})\n"
    r"Version: (?P<version>1)\n"
    r"Chain ID: (?P<chain>[0-9]{1,32})\n"
    r"Nonce: (?P<nonce>[A-Za-z0-9]{8,64})\n"
    rf"Issued At: (?P<issued>{_STAMP})"
    rf"(?:\nExpiration Time: (?P<expires>{_STAMP}))?"
    rf"(?:\nNot Before: (?P<begins>{_STAMP}))?"
    r"(?:\nRequest ID: (?P<request>[A-Za-z0-9\-._~!$&'()*+,;=:@%]*))?"
    rf"(?P<resources>\nResources:(?:\n- {_URI})*)?"
)


class SignInRefused(ServiceError, ValueError):
    """A message, signature, nonce, domain, chain or time that does not do; says which."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """One EIP-4361 message."""

    domain: str
    address: Address
    uri: str
    chain: ChainId
    nonce: str
    issued_at: datetime
    expires_at: datetime | None = None
    not_before: datetime | None = None
    statement: str | None = None
    request_id: str | None = None
    resources: tuple[str, ...] = field(default=())
    scheme: str | None = None


def parse_message(text: str) -> SignIn:
    """The message of a text; raises SignInRefused for anything that EIP-4361 does not allow."""
    found = _MESSAGE.fullmatch(text) if len(text) <= MOST_BYTES else None
    if found is None:
        raise SignInRefused("message: not an EIP-4361 message")
    if not is_checksum_address(found["address"]):
        raise SignInRefused("message: the address must carry its EIP-55 checksum")
    resources = found["resources"]
    return SignIn(
        domain=found["domain"],
        address=parse_address(found["address"]),
        uri=found["uri"],
        chain=ChainId(f"eip155:{int(found['chain'])}"),
        nonce=found["nonce"],
        issued_at=_time(found["issued"]),
        expires_at=_time(found["expires"]) if found["expires"] else None,
        not_before=_time(found["begins"]) if found["begins"] else None,
        statement=found["statement"],
        request_id=found["request"],
        resources=tuple(resources.split("\n- ")[1:]) if resources else (),
        scheme=found["scheme"],
    )


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", text).replace(":60", ":59"))
    except ValueError:
        raise SignInRefused(f"message: {text} is no time") from None


def check_claims(message: SignIn, domains: tuple[str, ...], chains: tuple[ChainId, ...], now: datetime) -> None:
    """Raise SignInRefused where the message is for another place, chain or time."""
    if message.domain not in domains:
        raise SignInRefused(f"message: the domain {message.domain[:80]!r} is not this service's")
    if chains and message.chain not in chains:
        raise SignInRefused(f"message: chain {message.chain} is none of {', '.join(chains)}")
    if message.expires_at is not None and now >= message.expires_at:
        raise SignInRefused("message: expired")
    if message.not_before is not None and now < message.not_before:
        raise SignInRefused("message: not valid yet")


def signed_by_key(text: str, signature: bytes, address: Address) -> bool:
    """Whether the address's own key signed the text (EIP-191)."""
    if len(signature) != 65:
        return False
    try:
        return bool(Account.recover_message(encode_defunct(text=text), signature=signature) == address)
    except Exception:  # noqa: BLE001 - the library raises many kinds for bytes that are no signature
        return False


async def signed_by_contract(
    client: ChainClient, text: str, signature: bytes, address: Address, at: BlockRef
) -> bool:
    """Whether the contract at the address accepts the signature (ERC-1271); False where there is none."""
    content = text.encode()
    digest = keccak(b"\x19Ethereum Signed Message:\n" + str(len(content)).encode() + content)
    return await accepted_by_contract(client, digest, signature, address, at)


async def accepted_by_contract(
    client: ChainClient, digest: bytes, signature: bytes, address: Address, at: BlockRef
) -> bool:
    """Whether the contract accepts the signature of a digest (ERC-1271)."""
    data = ERC1271_MAGIC + encode(["bytes32", "bytes"], [digest, signature])
    (answer,) = await client.call([Call(address, data)], at)
    return answer.success and answer.data == ERC1271_MAGIC + bytes(28)
