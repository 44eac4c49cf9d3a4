"""Deposits of a spoke pool from its logs, their relay hash, and what becomes of them. All pure.

Event and hash: SpokePool of @across-protocol/contracts 5.0 (FundsDeposited, getV3RelayHash).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from chains.accounts import Position, PositionKind, VenueAccount, VenueId
from chains.caip import AccountId, Address, AssetId, ChainId, account_id, chain_id, chain_number, erc20
from chains.deployments import AssetInfo
from chains.errors import BadAnswer
from chains.instruments import Exposure, Spot
from chains.types import BlockRef, Log

VENUE = VenueId("across")

DEPOSITED = keccak(
    text="FundsDeposited(bytes32,bytes32,uint256,uint256,uint256,uint256,uint32,uint32,uint32,"
    "bytes32,bytes32,bytes32,bytes)"
)
DEPOSITED_DATA = (
    "bytes32", "bytes32", "uint256", "uint256", "uint32", "uint32", "uint32", "bytes32", "bytes32", "bytes",
)  # fmt: skip
REFUNDED = keccak(
    text="ExecutedRelayerRefundRoot(uint256,uint256,uint256[],uint32,uint32,address,address[],bool,address)"
)
REFUNDED_DATA = ("uint256", "uint256[]", "address", "address[]", "bool", "address")
RELAY_DATA = (
    "(bytes32,bytes32,bytes32,bytes32,bytes32,uint256,uint256,uint256,uint256,uint32,uint32,bytes)"  # V3RelayData
)


class FillStatus(Enum):
    """fillStatuses of a relay hash on the destination."""

    UNFILLED = 0
    SLOW_FILL_REQUESTED = 1
    FILLED = 2


@dataclass(frozen=True, slots=True)
class Deposit:
    """One deposit on its origin. Amounts raw, times in unix seconds; addresses are 32 bytes as Across counts."""

    origin: ChainId
    destination: ChainId
    id: int
    block_number: int
    depositor: bytes
    recipient: bytes
    input_token: bytes
    output_token: bytes
    input_amount: int
    output_amount: int
    fill_deadline: int
    exclusivity_deadline: int
    exclusive_relayer: bytes
    message: bytes

    @property
    def depositor_account(self) -> AccountId:
        """Who gets the money back if nobody fills."""
        return account_id(self.origin, to_address(self.depositor))

    @property
    def relay_hash(self) -> bytes:
        """Key of the fill on the destination; names the destination so that no other chain can share it."""
        relay = (
            self.depositor, self.recipient, self.exclusive_relayer, self.input_token, self.output_token,
            self.input_amount, self.output_amount, chain_number(self.origin), self.id,
            self.fill_deadline, self.exclusivity_deadline, self.message,
        )  # fmt: skip
        return keccak(encode([RELAY_DATA, "uint256"], [relay, chain_number(self.destination)]))


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known of a deposit that is not filled."""

    slow_fill: bool
    expired: bool
    fills_paused: bool
    age_s: int


def to_address(word: bytes) -> Address:
    """Address in the last 20 of 32 bytes."""
    return Address(to_checksum_address(word[-20:]))


def to_word(address: Address) -> bytes:
    """Address as 32 bytes."""
    return bytes(12) + bytes.fromhex(address[2:])


def decode_deposit(origin: ChainId, log: Log) -> Deposit:
    """Deposit of a FundsDeposited log; raises BadAnswer where the log is not that event."""
    try:
        _, destination, deposit_id, depositor = log.topics
        data = decode(DEPOSITED_DATA, log.data)
    except (ValueError, DecodingError, OverflowError) as error:
        raise BadAnswer(f"FundsDeposited in block {log.block_number}: {error}") from None
    input_token, output_token, input_amount, output_amount, _, deadline, exclusive_until, *rest = data
    recipient, exclusive_relayer, message = rest
    return Deposit(
        origin=origin,
        destination=chain_id(int.from_bytes(destination)),
        id=int.from_bytes(deposit_id),
        block_number=log.block_number,
        depositor=depositor,
        recipient=recipient,
        input_token=input_token,
        output_token=output_token,
        input_amount=input_amount,
        output_amount=output_amount,
        fill_deadline=deadline,
        exclusivity_deadline=exclusive_until,
        exclusive_relayer=exclusive_relayer,
        message=message,
    )


def decode_refunds(logs: Iterable[Log]) -> list[tuple[int, Address, Address, int]]:
    """(block, token, receiver, amount) of every refund paid out; those put off for claiming are not paid."""
    found = []
    for log in logs:
        try:
            _, amounts, token, receivers, deferred, _ = decode(REFUNDED_DATA, log.data)
        except (DecodingError, OverflowError) as error:
            raise BadAnswer(f"ExecutedRelayerRefundRoot in block {log.block_number}: {error}") from None
        if not deferred:
            pairs = zip(receivers, amounts, strict=True)
            found += [(log.block_number, _checksummed(token), _checksummed(r), a) for r, a in pairs]
    return found


def refunded(expired: Sequence[Deposit], refunds: Iterable[tuple[int, Address, Address, int]]) -> set[Deposit]:
    """Expired deposits that were paid back.

    Bundles name no deposit, so refunds of one token to one depositor go to the oldest deadline first. A depositor
    who is a relayer too may see a transfer taken as refunded early: value is then missed, never invented.
    """
    left: dict[tuple[Address, Address], list[tuple[int, int]]] = defaultdict(list)
    for block, token, receiver, amount in refunds:
        left[token, receiver].append((block, amount))
    done = set()
    spent: dict[tuple[Address, Address], int] = defaultdict(int)
    for deposit in sorted(expired, key=lambda d: (d.fill_deadline, d.block_number, d.id)):
        key = to_address(deposit.input_token), to_address(deposit.depositor)
        paid = sum(amount for block, amount in left[key] if block > deposit.block_number)
        if paid - spent[key] >= deposit.input_amount:
            spent[key] += deposit.input_amount
            done.add(deposit)
    return done


def decode_transfer(
    deposit: Deposit,
    progress: Progress,
    at: BlockRef,
    infos: Mapping[AssetId, AssetInfo],
    watched: frozenset[AccountId],
) -> VenueAccount:
    """Venue account of one transfer in flight: value at the destination, or at the origin once it has expired.

    It belongs to the recipient, if that is the depositor or a watched account; a transfer to anybody else has no
    value here and says so. An expired one belongs to the depositor again.
    """
    asset, raw = _due(deposit, progress)
    owner, info = _owner(deposit, progress, watched), infos.get(asset)
    decimals, symbol = (info.decimals, info.symbol) if info else (0, asset)
    position = Position(
        PositionKind.IN_FLIGHT, asset, f"{symbol} in flight", raw, decimals, None, _details(deposit, progress)
    )
    return VenueAccount(
        account=owner or deposit.depositor_account,
        venue=VENUE,
        sub_account=f"{chain_number(deposit.origin)}-{deposit.id}",
        at=at,
        positions=(position,),
        exposures=(Exposure(Spot(asset), value=position.size),) if owner and info else (),
        equity_usd=Decimal(0),
        mm_requirement_usd=Decimal(0),
        checks=(),
        liquidatable=None,
        degraded=tuple(_degraded(deposit, asset, info, owner)),
    )


def _due(deposit: Deposit, progress: Progress) -> tuple[AssetId, int]:
    """What comes: the output at the destination, or the input back at the origin."""
    if progress.expired:
        return erc20(deposit.origin, to_address(deposit.input_token)), deposit.input_amount
    return erc20(deposit.destination, to_address(deposit.output_token)), deposit.output_amount


def _degraded(deposit: Deposit, asset: AssetId, info: AssetInfo | None, owner: AccountId | None) -> Iterable[str]:
    if info is None:
        yield f"{VENUE}: token {asset} of transfer {deposit.id} is not a registered asset"
    if owner is None:
        recipient = to_address(deposit.recipient)
        yield f"{VENUE}: transfer {deposit.id} pays {recipient}, which is not watched: not counted"


def _owner(deposit: Deposit, progress: Progress, watched: frozenset[AccountId]) -> AccountId | None:
    if progress.expired or deposit.recipient == deposit.depositor:
        return deposit.depositor_account
    recipient = account_id(deposit.destination, to_address(deposit.recipient))
    return recipient if recipient in watched else None


def _details(deposit: Deposit, progress: Progress) -> dict[str, str]:
    state = "refund pending" if progress.expired else "in flight"
    details = {
        "state": state,
        "origin": deposit.origin,
        "destination": deposit.destination,
        "deposit_id": str(deposit.id),
        "recipient": to_address(deposit.recipient),
        "age_s": str(progress.age_s),
        "fill_deadline": str(deposit.fill_deadline),
    }
    if progress.slow_fill:
        details["slow_fill"] = "requested"
    if progress.fills_paused:
        details["fills_paused"] = "true"
    return details


def _checksummed(address: str) -> Address:
    return Address(to_checksum_address(address))
