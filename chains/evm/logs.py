"""Answers of eth_getLogs as ``Log`` values, parsed once from their bytes."""

import re
from collections.abc import Callable
from typing import Final, NoReturn, TypeVar

import msgspec
from eth_utils.address import to_checksum_address

from chains.caip import Address
from chains.errors import BadAnswer
from chains.types import Log

_WORD: Final = 32
_HASH = re.compile(r"0x[0-9a-f]{64}")


class _Full(msgspec.Struct, rename="camel", gc=False):
    address: str
    topics: list[str]
    data: str
    block_number: str
    block_hash: str
    log_index: str
    transaction_hash: str


_full = msgspec.json.Decoder(list[_Full])
_Meaning = TypeVar("_Meaning")


class _Known(dict[str, _Meaning]):
    """What texts mean, found once per answer: signatures, markets, accounts and hashes repeat."""

    def __init__(self, meaning: Callable[[str, str], _Meaning], where: str) -> None:
        super().__init__()
        self._meaning, self._where = meaning, where

    def __missing__(self, text: str) -> _Meaning:
        found = self[text] = self._meaning(text, self._where)
        return found


def decode_logs(raw: msgspec.Raw, where: str) -> tuple[Log, ...]:
    """Logs in chain order; raises BadAnswer naming the chain ``where`` and the field that is wrong."""
    return tuple(sorted(unsorted_logs(raw, where), key=_place))


def unsorted_logs(raw: msgspec.Raw, where: str) -> list[Log]:
    """Logs in the order of the endpoint; raises like ``decode_logs``."""
    try:
        found = _full.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadAnswer(f"{where}: eth_getLogs: not logs: {error}"[:200]) from None
    address, topic, number = _Known(_address, where), _Known(_topic, where), _Known(_number, where)
    known = _Known(_hash, where)
    return [
        Log(
            address[item.address],
            tuple([topic[text] for text in item.topics]),
            _bytes(item.data, where),
            number[item.block_number],
            known[item.block_hash],
            known[item.transaction_hash],
            number[item.log_index],
        )
        for item in found
    ]


def decode_log(raw: msgspec.Raw, where: str) -> Log:
    """The log of a subscription; raises like ``decode_logs``."""
    return decode_logs(msgspec.Raw(b"[" + bytes(raw) + b"]"), where)[0]


def _place(log: Log) -> tuple[int, int]:
    return log.block_number, log.log_index


def _bad(where: str, field: str, value: str) -> NoReturn:
    raise BadAnswer(f"{where}: eth_getLogs: field {field} is {value[:70]!r}, not what the method promises")


def _address(text: str, where: str) -> Address:
    if re.fullmatch(r"0x[0-9a-fA-F]{40}", text) is None:
        _bad(where, "address", text)
    return Address(to_checksum_address(text.lower()))


def _topic(text: str, where: str) -> bytes:
    if len(text) != 2 + 2 * _WORD:
        _bad(where, "topics", text)
    return _bytes(text, where)


def _bytes(text: str, where: str) -> bytes:
    if text[:2] == "0x":
        try:
            return bytes.fromhex(text[2:])
        except ValueError:
            pass
    _bad(where, "data", text)


def _number(text: str, where: str) -> int:
    if text[:2] == "0x":
        try:
            return int(text, 16)
        except ValueError:
            pass
    _bad(where, "blockNumber or logIndex", text)


def _hash(text: str, where: str) -> str:
    lower = text.lower()
    if _HASH.fullmatch(lower) is None:
        _bad(where, "blockHash or transactionHash", text)
    return lower
