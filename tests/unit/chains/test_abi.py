import pytest
from eth_abi.abi import encode

from chains.caip import Address
from chains.errors import BadAnswer, Reverted
from chains.evm.abi import Function, revert_reason, split_types
from chains.types import CallResult

OWNER = Address("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")  # an example of EIP-55
BALANCE = Function("balanceOf(address)", "(uint256)")


def test_selectors_are_those_of_the_contracts() -> None:
    # ERC-20 balanceOf and Multicall3 aggregate3, as their ABIs publish them
    assert BALANCE.selector.hex() == "70a08231"
    assert Function("aggregate3((address,bool,bytes)[])").selector.hex() == "82ad56cb"


def test_a_call_carries_selector_and_arguments() -> None:
    call = BALANCE.call(OWNER, OWNER)
    assert call.to == OWNER
    assert call.data.hex() == "70a08231" + OWNER[2:].lower().rjust(64, "0")


def test_structs_and_arrays_come_as_tuples_with_checksummed_addresses() -> None:
    function = Function("get(uint256)", "((uint256,address,(int24,bool)[]),bytes32)")
    types = ["(uint256,address,(int24,bool)[])", "bytes32"]
    value = ((7, OWNER.lower(), [(-5, True), (6, False)]), bytes(32))
    decoded = function.decode(CallResult(True, encode(types, value)))
    assert decoded == ((7, OWNER, ((-5, True), (6, False))), bytes(32))


def test_short_data_names_function_and_sizes() -> None:
    with pytest.raises(BadAnswer, match=r"balanceOf: 31 bytes do not decode as \(uint256\)"):
        BALANCE.decode(CallResult(True, bytes(31)))


def test_no_data_says_that_there_is_no_contract() -> None:
    with pytest.raises(BadAnswer, match=r"balanceOf: 0 bytes returned, expected \(uint256\): no such contract"):
        BALANCE.decode(CallResult(True, b""))


def test_a_bool_that_is_neither_is_refused() -> None:
    with pytest.raises(BadAnswer, match="down: 32 bytes"):
        Function("down()", "(bool)").decode(CallResult(True, (2).to_bytes(32)))


def test_an_offset_beyond_the_data_is_refused() -> None:
    with pytest.raises(BadAnswer, match="name: 64 bytes"):
        Function("name()", "(string)").decode(CallResult(True, (1 << 200).to_bytes(32) + bytes(32)))


def test_a_revert_carries_its_reason() -> None:
    data = bytes.fromhex("08c379a0") + encode(["string"], ["OLD"])
    with pytest.raises(Reverted, match="balanceOf: reverted: OLD"):
        BALANCE.decode(CallResult(False, data))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "no reason given"),
        (bytes.fromhex("4e487b71") + (0x11).to_bytes(32), "panic code 0x11"),
        (bytes.fromhex("deadbeef") + bytes(32), "custom error 0xdeadbeef (36 bytes)"),
        (bytes.fromhex("08c379a0") + bytes(5), "undecodable reason of 9 bytes"),
    ],
)
def test_revert_data_is_read(data: bytes, text: str) -> None:
    assert revert_reason(data) == text


@pytest.mark.parametrize("arguments", [(), ("0x12",), (OWNER, 1), (5,)])
def test_arguments_that_do_not_fit_name_the_function(arguments: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match=r"balanceOf\(address\): arguments do not fit"):
        BALANCE.call(OWNER, *arguments)


def test_types_split_at_the_outer_commas() -> None:
    assert split_types("(uint256,(address,(bool,int8)[2])[],bytes)") == (
        "uint256", "(address,(bool,int8)[2])[]", "bytes",
    )  # fmt: skip
    assert split_types("()") == ()


@pytest.mark.parametrize("text", ["uint256", "(uint256", "((uint256)", "(uint256))"])
def test_unbalanced_types_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="types"):
        split_types(text)
