"""Multicall3.aggregate3 by hand: calldata written and answers read without a general codec, for speed.

Layout by the contract ABI: ``aggregate3((address target, bool allowFailure, bytes callData)[])`` returns
``(bool success, bytes returnData)[]``; all failures are allowed.
"""

from collections.abc import Sequence
from typing import Final

from chains.caip import Address
from chains.errors import BadAnswer
from chains.types import Call, CallResult

MULTICALL3 = Address("0xcA11bde05977b3631167028862bE2a173976CA11")
"""The address on every public chain."""

CHUNK: Final = 200
"""Calls per aggregate3; 100-250 measured best."""

_SELECTOR = bytes.fromhex("82ad56cb")  # keccak("aggregate3((address,bool,bytes)[])")[:4]
_TRUE = (1).to_bytes(32)
_CALL_HEAD = 128  # address, flag, offset of the bytes, their length
_CALL_DATA_AT = (96).to_bytes(32)


def encode_aggregate3(calls: Sequence[Call]) -> bytes:
    """Calldata of aggregate3 with allowFailure on every call."""
    offsets: list[bytes] = []
    bodies: list[bytes] = []
    position = 32 * len(calls)
    for to, data in calls:
        padding = -len(data) % 32
        offsets.append(position.to_bytes(32))
        target = bytes(12) + bytes.fromhex(to[2:])
        bodies += (target, _TRUE, _CALL_DATA_AT, len(data).to_bytes(32), data, bytes(padding))
        position += _CALL_HEAD + len(data) + padding
    head = (_SELECTOR, (32).to_bytes(32), len(calls).to_bytes(32))
    return b"".join((*head, *offsets, *bodies))


def decode_aggregate3(data: bytes, count: int) -> tuple[CallResult, ...]:
    """Answers of ``count`` calls; raises BadAnswer where the data is cut or not of that layout."""
    size = len(data)

    def word(at: int) -> int:
        if at + 32 > size:
            raise BadAnswer(f"aggregate3: answer of {size} bytes ends before byte {at + 32} ({count} calls)")
        return int.from_bytes(data[at : at + 32])

    start = word(0) + 32
    if word(start - 32) != count:
        raise BadAnswer(f"aggregate3: asked {count} calls, answer of {size} bytes holds {word(start - 32)}")
    results = []
    for i in range(count):
        at = start + word(start + 32 * i)
        flag, body = word(at), at + word(at + 32)
        length = word(body)
        if flag > 1 or body + 32 + length > size:
            raise BadAnswer(f"aggregate3: result {i} of {count} does not fit the answer of {size} bytes")
        results.append(CallResult(flag == 1, data[body + 32 : body + 32 + length]))
    return tuple(results)
