"""Codec of the readers' small signature tables.

``Function("balanceOf(address)", "(uint256)")`` makes calls and reads their answers.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from eth_abi.codec import ABICodec
from eth_abi.decoding import AddressDecoder
from eth_abi.encoding import AddressEncoder
from eth_abi.exceptions import DecodingError, EncodingError
from eth_abi.registry import BaseEquals, registry
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from chains.caip import Address
from chains.errors import BadAnswer, Reverted
from chains.types import Call, CallResult

_ERROR_STRING = bytes.fromhex("08c379a0")  # Error(string)
_PANIC = bytes.fromhex("4e487b71")  # Panic(uint256)


@lru_cache(maxsize=65536)
def _checksummed(raw: bytes) -> Address:
    return Address(to_checksum_address(raw))


class _ChecksumDecoder(AddressDecoder):
    """Addresses come out in the one form that ids use."""

    decoder_fn = staticmethod(_checksummed)  # type: ignore[assignment]


def _make_codec() -> ABICodec:
    own = registry.copy()  # type: ignore[no-untyped-call]
    own.unregister("address")
    is_address = BaseEquals("address")  # type: ignore[no-untyped-call]
    own.register(is_address, AddressEncoder, _ChecksumDecoder, label="address")
    return ABICodec(own)


_codec = _make_codec()


def split_types(text: str) -> tuple[str, ...]:
    """Types between the outer brackets: ``(uint256,(address,bool)[])`` gives two. Raises ValueError."""
    if not (text.startswith("(") and text.endswith(")")):
        raise ValueError(f"types: expected a list in brackets such as (uint256), was {text!r}")
    parts, depth, current = [], 0, ""
    for letter in text[1:-1].replace(" ", ""):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += letter
    if depth != 0:
        raise ValueError(f"types: brackets do not match in {text!r}")
    return (*parts, current) if current else tuple(parts)


@dataclass(frozen=True, slots=True)
class Function:
    """One contract function by its signature; outputs are a list of types, a struct being a list inside it."""

    signature: str
    outputs: str = "()"
    name: str = field(init=False, compare=False)
    selector: bytes = field(init=False, compare=False)
    _inputs: tuple[str, ...] = field(init=False, compare=False, repr=False)
    _outputs: tuple[str, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        name, bracket, types = self.signature.replace(" ", "").partition("(")
        put = object.__setattr__
        put(self, "name", name)
        put(self, "selector", keccak(text=name + bracket + types)[:4])
        put(self, "_inputs", split_types(bracket + types))
        put(self, "_outputs", split_types(self.outputs))

    def call(self, to: Address, *arguments: object) -> Call:
        """Call with encoded arguments; raises ValueError naming the function where they do not fit."""
        if not self._inputs and not arguments:
            return Call(to, self.selector)
        try:
            return Call(to, self.selector + _codec.encode(self._inputs, arguments))
        except (EncodingError, TypeError, ValueError) as error:
            raise ValueError(f"{self.signature}: arguments do not fit: {error}") from None

    def decode(self, result: CallResult) -> tuple[Any, ...]:
        """Values of the answer; structs are tuples, addresses checksummed.

        Raises Reverted with the reason, or BadAnswer with the sizes where the data does not hold the types.
        """
        if not result.success:
            raise Reverted(f"{self.name}: reverted: {revert_reason(result.data)}")
        if not result.data and self._outputs:
            raise BadAnswer(f"{self.name}: 0 bytes returned, expected {self.outputs}: no such contract")
        try:
            return tuple(_codec.decode(self._outputs, result.data))
        except (DecodingError, OverflowError, ValueError) as error:
            size = len(result.data)
            raise BadAnswer(f"{self.name}: {size} bytes do not decode as {self.outputs}: {error}"[:300]) from None


def revert_reason(data: bytes) -> str:
    """Readable reason of revert data: text of ``Error(string)``, panic code, or a custom error's selector."""
    if not data:
        return "no reason given"
    try:
        if data[:4] == _ERROR_STRING:
            return str(_codec.decode(("string",), data[4:])[0])[:200]
        if data[:4] == _PANIC:
            return f"panic code {_codec.decode(('uint256',), data[4:])[0]:#x}"
    except (DecodingError, OverflowError, ValueError):
        return f"undecodable reason of {len(data)} bytes"
    return f"custom error 0x{data[:4].hex()} ({len(data)} bytes)"
