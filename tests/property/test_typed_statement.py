"""A signed statement: every change of what it says or of its signature is found."""

import json
import re

from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from aggregator.devnet_settings import DEVNET_KEY
from aggregator.statements.model import Message, TypedData
from aggregator.statements.typed import TYPES, address_of, digest_of, sign, signed_by_key, typed, well_formed
from tests.kit.statements import a_message

KEY = SecretStr(DEVNET_KEY)
ADDRESS = address_of(KEY)
DATA = typed(a_message(f"eip155:1:{ADDRESS}", accounts=("a", "b"), degraded=("one", "two")), "eip155:1")
SIGNATURE = sign(DATA, KEY)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def paths(value, at=()):
    """Places of all leaves."""
    if isinstance(value, dict):
        return [p for key, item in value.items() for p in paths(item, (*at, key))]
    if isinstance(value, list):
        return [p for i, item in enumerate(value) for p in paths(item, (*at, i))]
    return [at]


LEAVES = paths(DATA.message.model_dump(mode="json"))


def good(data: TypedData, signature: str = SIGNATURE) -> bool:
    return well_formed(data) and signed_by_key(data, bytes.fromhex(signature[2:]), ADDRESS)


def test_it_is_signed_as_any_wallet_signs_typed_data():
    assert good(DATA)
    wallet = Account.from_key(DEVNET_KEY).sign_typed_data(full_message=json.loads(DATA.model_dump_json()))
    assert "0x" + bytes(wallet.signature).hex() == SIGNATURE
    assert bytes(wallet.message_hash) == digest_of(DATA)
    assert encode_typed_data(full_message=json.loads(DATA.model_dump_json())).version == b"\x01"


def test_the_types_name_every_part():
    def fields(model):
        return tuple(model.model_fields)

    for name, members in TYPES.items():
        inner = [re.sub(r"\[\]$", "", member.type) for member in members]
        assert all(
            kind in TYPES or kind in {"string", "uint64", "uint256", "bytes32", "bool"} for kind in inner
        ), name
    assert {member.name for member in TYPES["Statement"]} == set(fields(Message))
    by_list = {"blocks": "Block", "figures": "Figure", "venue_accounts": "VenueAccount", "prices": "Price"}
    for field, struct in by_list.items():
        model = Message.model_fields[field].annotation.__args__[0]
        assert tuple(member.name for member in TYPES[struct]) == fields(model)


@settings(max_examples=150)
@given(st.sampled_from(LEAVES), st.integers(1, 10**6), st.text("0123456789abcdef", min_size=1, max_size=4))
def test_any_change_of_the_message_is_found(place, number, text):
    content = json.loads(DATA.model_dump_json())
    holder = content["message"]
    for key in place[:-1]:
        holder = holder[key]
    old = holder[place[-1]]
    match old:
        case bool():
            holder[place[-1]] = not old
        case int():
            holder[place[-1]] = old + number
        case str() if old.startswith("0x"):
            holder[place[-1]] = old[:-1] + ("1" if old[-1] != "1" else "2")
        case _:
            holder[place[-1]] = old + text if re.search("[a-z]", old) else old + "1"
    try:
        changed = TypedData.model_validate(content)
    except ValidationError:
        return
    assert changed != DATA
    assert not good(changed)


@given(st.integers(0, 64), st.integers(1, 255))
def test_any_change_of_the_signature_is_found(place, mask):
    changed = bytearray.fromhex(SIGNATURE[2:])
    changed[place] ^= mask
    assert not good(DATA, "0x" + changed.hex())


def test_the_twin_of_a_signature_and_other_lengths_are_refused():
    raw = bytes.fromhex(SIGNATURE[2:])
    twin = raw[:32] + (ORDER - int.from_bytes(raw[32:64], "big")).to_bytes(32, "big") + bytes([55 - raw[64]])
    for other in (twin, raw[:64], raw + b"\0", b"", raw[:64] + bytes([raw[64] - 27])):
        assert not good(DATA, "0x" + other.hex())


def test_parts_that_the_types_would_hide_are_refused():
    for name in ("Statement", "Price"):
        types = DATA.types | {name: DATA.types[name][:-1]}
        hidden = DATA.model_copy(update={"types": types})
        assert not well_formed(hidden)
    assert not well_formed(DATA.model_copy(update={"primaryType": "Block"}))
    other = DATA.model_copy(update={"domain": DATA.domain.model_copy(update={"chainId": 10})})
    assert not good(other)
