import json
import random
from typing import Any

import msgspec
import pytest
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from chains.errors import BadAnswer
from chains.evm.log_columns import LogColumns, log_columns
from chains.evm.logs import decode_log, decode_logs

WHERE = "eip155:10"
WORDS = st.binary(min_size=32, max_size=32)
LOGS = st.fixed_dictionaries(
    {
        "address": st.binary(min_size=20, max_size=20),
        "topics": st.lists(WORDS, min_size=2, max_size=2),
        "data": st.binary(min_size=64, max_size=64),
        "block": st.integers(0, 2**40),
        "index": st.integers(0, 2**20),
        "hash": WORDS,
    }
)


def as_json(log: dict[str, Any], **changes: object) -> dict[str, object]:
    return {
        "address": "0x" + log["address"].hex(),
        "topics": ["0x" + topic.hex() for topic in log["topics"]],
        "data": "0x" + log["data"].hex(),
        "blockNumber": hex(log["block"]),
        "blockHash": "0x" + log["hash"].hex(),
        "transactionHash": "0x" + log["hash"].hex(),
        "transactionIndex": "0x0",
        "logIndex": hex(log["index"]),
        "removed": False,
        **changes,
    }


def raw(*logs: dict[str, object]) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(logs).encode())


def as_nodes_print(*logs: dict[str, object]) -> bytes:
    return json.dumps(logs, separators=(",", ":")).encode()


def columns_or_nothing(answer: bytes) -> dict[str, object] | None:
    try:
        columns = log_columns(msgspec.Raw(answer), topics=2, words=2, where=WHERE)
    except BadAnswer:
        return None
    return {name: getattr(columns, name).tolist() for name in LogColumns.__slots__}


ONE = as_json(
    {"address": bytes(20), "topics": [bytes(32)] * 2, "data": bytes(64), "block": 5, "index": 2, "hash": bytes(32)}
)


@given(st.lists(LOGS, max_size=6))
def test_values_and_columns_say_the_same(logs: list[dict[str, Any]]) -> None:
    answer = raw(*map(as_json, logs))
    values = decode_logs(answer, WHERE)
    columns = log_columns(answer, topics=2, words=2, where=WHERE)
    assert len(columns) == len(values) == len(logs)
    assert [(v.block_number, v.log_index) for v in values] == sorted((log["block"], log["index"]) for log in logs)
    for i, log in enumerate(logs):
        assert columns.addresses[i].tobytes() == log["address"]
        assert [topic.tobytes() for topic in columns.topics[i]] == log["topics"]
        assert columns.data[i].tobytes() == log["data"]
        assert (columns.block_numbers[i], columns.log_indices[i]) == (log["block"], log["index"])
        assert columns.block_hashes[i].tobytes() == log["hash"]
        assert any(
            (v.address, v.topics, v.data)
            == (to_checksum_address(log["address"]), tuple(log["topics"]), log["data"])
            for v in values
        )


@given(st.lists(LOGS, max_size=12))
def test_logs_laid_over_each_other_say_what_each_says_alone(logs: list[dict[str, Any]]) -> None:
    compact = as_nodes_print(*map(as_json, logs))
    assert columns_or_nothing(compact) == columns_or_nothing(bytes(raw(*map(as_json, logs))))


LETTERS = b'0fF{}[],:"\\ x/-azA'


@given(st.lists(LOGS, min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_no_letter_of_a_log_is_passed_over(logs: list[dict[str, Any]], chance: random.Random) -> None:
    """Whatever is changed in the text: read together or one by one, the same is found or the same is refused."""
    alike = [{**log, "block": 0x1234 + i, "index": i} for i, log in enumerate(logs)]
    printed = as_nodes_print(*map(as_json, alike))
    for _ in range(20):
        text = bytearray(printed)
        text[chance.randrange(1, len(text) - 1)] = chance.choice(LETTERS)
        try:
            msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue  # no JSON: refused before it is looked at
        spaced = bytes(text).replace(b"{", b"{ ", 1)
        assert columns_or_nothing(bytes(text)) == columns_or_nothing(spaced)


def test_a_quote_in_what_nobody_asked_for_does_not_hide_a_field() -> None:
    good, wrong = as_nodes_print(ONE, ONE)[1:-1].split(b"},{")
    swapped = wrong.replace(
        b'"transactionHash":"0x' + 64 * b"0", b'"transactionHash":"","data":"0x1","a":"' + 46 * b"0"
    )
    answer = b"[" + good + b"},{" + swapped + b"]"
    assert len(good) - 1 == len(swapped) - 1 == len(wrong) - 1
    with pytest.raises(BadAnswer):
        log_columns(msgspec.Raw(answer), topics=2, words=2, where=WHERE)


@pytest.mark.parametrize(
    "changes",
    [
        {"address": "0x12"},
        {"address": None},
        {"topics": ["0x12", "0x12"]},
        {"topics": "0x"},
        {"data": "0x1"},
        {"data": "ab" * 65},
        {"data": "0x" + "zz" * 64},
        {"blockNumber": "5"},
        {"blockNumber": None},
        {"logIndex": "0x"},
    ],
)
def test_a_wrong_field_is_bad_both_ways(changes: dict[str, object]) -> None:
    answer = raw({**ONE, **changes})
    with pytest.raises(BadAnswer, match="eip155:10: eth_getLogs: "):
        decode_logs(answer, WHERE)
    with pytest.raises(BadAnswer, match="eip155:10: eth_getLogs: "):
        log_columns(answer, topics=2, words=2, where=WHERE)


def test_a_log_of_another_shape_is_no_column() -> None:
    assert len(decode_logs(raw(ONE), WHERE)) == 1
    with pytest.raises(BadAnswer, match="has not 3 topics"):
        log_columns(raw(ONE), topics=3, words=2, where=WHERE)
    with pytest.raises(BadAnswer, match="has not 32 bytes"):
        log_columns(raw(ONE), topics=2, words=1, where=WHERE)


def test_the_log_of_a_subscription_is_one_log() -> None:
    assert decode_log(msgspec.Raw(json.dumps(ONE).encode()), WHERE).block_number == 5
