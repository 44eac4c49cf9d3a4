"""Answers of eth_getLogs from their bytes, once: as ``Log`` values, or as columns for many logs of one event."""

import binascii
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NoReturn, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
from eth_utils.address import to_checksum_address

from chains.caip import Address
from chains.errors import BadAnswer
from chains.types import Log

_WORD: Final = 32
_PREFIX: Final = np.frombuffer(b"0x", np.uint8)
_HASH = re.compile(r"0x[0-9a-f]{64}")


class _Columnar(msgspec.Struct, rename="camel", gc=False):
    address: str
    topics: list[str]
    data: str
    block_number: str
    block_hash: str
    log_index: str


class _Full(_Columnar, rename="camel", gc=False):
    transaction_hash: str


_columnar = msgspec.json.Decoder(list[_Columnar])
_full = msgspec.json.Decoder(list[_Full])
_Item = TypeVar("_Item", bound=_Columnar)


def _parse(decoder: msgspec.json.Decoder[list[_Item]], raw: msgspec.Raw, where: str) -> list[_Item]:
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadAnswer(f"{where}: eth_getLogs: not logs: {error}"[:200]) from None


def decode_logs(raw: msgspec.Raw, where: str) -> tuple[Log, ...]:
    """Logs in chain order; raises BadAnswer naming the chain ``where`` and the field that is wrong."""
    found = [_log(item, where) for item in _parse(_full, raw, where)]
    found.sort(key=_place)
    return tuple(found)


def decode_log(raw: msgspec.Raw, where: str) -> Log:
    """The log of a subscription; raises like ``decode_logs``."""
    return decode_logs(msgspec.Raw(b"[" + bytes(raw) + b"]"), where)[0]


def _place(log: Log) -> tuple[int, int]:
    return log.block_number, log.log_index


def _log(item: _Full, where: str) -> Log:
    return Log(
        _address(item.address, where),
        tuple([_topic(topic, where) for topic in item.topics]),
        _bytes(item.data, where),
        _number(item.block_number, where),
        _hash(item.block_hash, where),
        _hash(item.transaction_hash, where),
        _number(item.log_index, where),
    )


def _bad(where: str, field: str, value: str) -> NoReturn:
    raise BadAnswer(f"{where}: eth_getLogs: field {field} is {value[:70]!r}, not what the method promises")


@lru_cache(maxsize=4096)
def _address(text: str, where: str) -> Address:
    if re.fullmatch(r"0x[0-9a-fA-F]{40}", text) is None:
        _bad(where, "address", text)
    return Address(to_checksum_address(text.lower()))


@lru_cache(maxsize=4096)
def _topic(text: str, where: str) -> bytes:
    """Topics repeat: signatures, markets and accounts."""
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


@lru_cache(maxsize=4096)
def _hash(text: str, where: str) -> str:
    """Hashes of blocks and transactions repeat too."""
    lower = text.lower()
    if _HASH.fullmatch(lower) is None:
        _bad(where, "blockHash or transactionHash", text)
    return lower


@dataclass(frozen=True, slots=True, eq=False)
class LogColumns:
    """Logs of one event shape, as they came: row i is log i of the answer, 32-byte words big-endian."""

    addresses: npt.NDArray[np.uint8]
    """Shape (logs, 20)."""
    topics: npt.NDArray[np.uint8]
    """Shape (logs, topics, 32)."""
    data: npt.NDArray[np.uint8]
    """Shape (logs, words, 32)."""
    block_numbers: npt.NDArray[np.int64]
    log_indices: npt.NDArray[np.int64]
    block_hashes: npt.NDArray[np.uint8]
    """Shape (logs, 32)."""

    def __len__(self) -> int:
        return len(self.block_numbers)


def log_columns(raw: msgspec.Raw, topics: int, words: int, where: str) -> LogColumns:
    """Columns of logs that all have so many topics and words of data; raises BadAnswer where one has not."""
    found = _parse(_columnar, raw, where)
    size = len(found)
    if {len(item.topics) for item in found} - {topics}:
        raise BadAnswer(f"{where}: eth_getLogs: a log has not {topics} topics")
    return LogColumns(
        addresses=_matrix([item.address for item in found], 20, where).reshape(size, 20),
        topics=_matrix([t for item in found for t in item.topics], _WORD, where).reshape(size, topics, _WORD),
        data=_matrix([item.data for item in found], _WORD * words, where).reshape(size, words, _WORD),
        block_numbers=_integers([item.block_number for item in found], where),
        log_indices=_integers([item.log_index for item in found], where),
        block_hashes=_matrix([item.block_hash for item in found], _WORD, where),
    )


def _integers(texts: list[str], where: str) -> npt.NDArray[np.int64]:
    if {text[:2] for text in texts} - {"0x"}:
        raise BadAnswer(f"{where}: eth_getLogs: a number does not begin with 0x")
    try:
        return np.array([int(text, 16) for text in texts], np.int64)
    except (ValueError, OverflowError):
        raise BadAnswer(f"{where}: eth_getLogs: a number is not one in hex") from None


def _matrix(texts: list[str], size: int, where: str) -> npt.NDArray[np.uint8]:
    """Bytes of ``0x`` texts of one length, decoded together."""
    if set(map(len, texts)) - {2 + 2 * size}:
        raise BadAnswer(f"{where}: eth_getLogs: a field has not {size} bytes")
    letters = np.frombuffer("".join(texts).encode(errors="replace"), np.uint8)
    try:
        grid = letters.reshape(len(texts), 2 + 2 * size)
        data = binascii.unhexlify(grid[:, 2:].tobytes())
    except ValueError:
        raise BadAnswer(f"{where}: eth_getLogs: a field is not hex") from None
    if (grid[:, :2] != _PREFIX).any():
        raise BadAnswer(f"{where}: eth_getLogs: a field does not begin with 0x")
    return np.frombuffer(data, np.uint8).reshape(len(texts), size)
