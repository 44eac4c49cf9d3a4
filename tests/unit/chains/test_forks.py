"""What may be forked, and what a price source answers after a move."""

from decimal import Decimal

import pytest

from chains.caip import Address, chain_id
from chains.errors import InvalidId
from chains.forks.move import PerpPool, _pool_changes, moved_answer
from chains.forks.points import CannotMove, PricePoint
from chains.forks.spec import BadFork, ForkSpec, distinct, parse_fork
from chains.types import BlockRef, Finality

KEY = "https://rpc.example/v2/s3cr3t"
FEED = Address("0x" + "11" * 20)
AT = BlockRef(chain_id(10), 7, "0x07", "0x06", 1_700_000_000, Finality.LATEST)


def test_spec_is_read_from_the_option_or_the_environment():
    assert parse_fork(f"42161={KEY}@123") == ForkSpec(chain_id(42161), KEY, 123)
    assert parse_fork(f"eip155:1={KEY}") == ForkSpec(chain_id(1), KEY, None)
    assert parse_fork("10=env:OP_RPC@9", {"OP_RPC": KEY}) == ForkSpec(chain_id(10), KEY, 9)
    assert parse_fork("1=https://user:pass@host.example/x").url == "https://user:pass@host.example/x"


@pytest.mark.parametrize(
    "text", [KEY, f"1=ftp://{KEY}", "1=env:NOT_SET", "1=s3cr3t", f"one={KEY}", "1="], ids=range(6)
)
def test_wrong_spec_is_refused_without_its_url(text):
    with pytest.raises((BadFork, InvalidId)) as caught:
        parse_fork(text, {})
    assert "s3cr3t" not in str(caught.value)
    assert "s3cr3t" not in repr(ForkSpec(chain_id(1), KEY))


def test_chains_are_forked_once():
    spec = ForkSpec(chain_id(1), KEY)
    with pytest.raises(BadFork, match="asked for twice"):
        distinct([spec, ForkSpec(chain_id(1), "http://other.example")])
    with pytest.raises(BadFork, match="nothing to fork"):
        distinct([])


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        ("http://127.0.0.1:8545", True),
        ("http://localhost:8545/", True),
        ("http://127.0.0.1:8545/?key=1", False),
        ("http://127.0.0.1:8545/v2/key", False),
        ("http://me:pw@127.0.0.1:8545", False),
        ("https://rpc.example", False),
    ],
)
def test_only_a_plain_local_port_is_no_secret(url, bare):
    assert ForkSpec(chain_id(1), url).bare is bare


def point(answer: int, factor: str = "ETH", per: str = "") -> PricePoint:
    return PricePoint(FEED, factor, per, answer, 8)


def test_answers_move_with_their_factor_in_the_last_digit():
    moves = {"ETH": Decimal("-0.2"), "USDC": Decimal("-0.07")}
    assert moved_answer(point(3000_00000000), moves) == 2400_00000000
    assert moved_answer(point(60_000, "BTC"), moves) == 60_000
    # A quote in a falling token rises: 3000 x 0.8 / 0.93, to the last of 36 digits
    assert moved_answer(point(3000 * 10**24, "ETH", "USDC"), moves) == round(
        Decimal(2400 * 10**24) / Decimal("0.93")
    )
    with pytest.raises(CannotMove, match="is not a price"):
        moved_answer(point(1), {"ETH": Decimal("-0.9")})


def test_moved_pool_keeps_every_other_field_of_its_words():
    """Square root, tick and the observation's time change; index, cardinality, fees, lock and sums stay."""
    rest, sums = 0x01_00_01F4_01F4_0003, (1 << 216) | (12345 << 56) | 678
    before = PerpPool(FEED, "ETH", Decimal(3000), rest << 184 | 5 << 160 | 77, 11, sums << 32 | AT.timestamp)
    (_, (_, slot, word)), (_, (_, place, seen)) = _pool_changes(before, {"ETH": Decimal("-0.2")}, AT)
    tick = (int(word, 16) >> 160) % 2**24
    root = int(word, 16) % 2**160
    assert (slot, place) == ("0x0", "0xb")
    assert int(word, 16) >> 184 == rest
    assert abs(Decimal("1.0001") ** tick / 2400 - 1) < Decimal("5.1e-5")
    assert abs((Decimal(root) / 2**96) ** 2 / Decimal("1.0001") ** tick - 1) < Decimal("1e-20")
    assert int(seen, 16) >> 32 == sums
    assert int(seen, 16) % 2**32 == AT.timestamp - 86_400


def test_ticks_below_one_dollar_are_negative():
    before = PerpPool(FEED, "X", Decimal("0.5"), 0, 8, 0)
    (_, (_, _, word)), _ = _pool_changes(before, {}, AT)
    assert (int(word, 16) >> 160) % 2**24 == 2**24 - 6932  # log(0.5) / log(1.0001) = -6931.8
