"""Laws of the price layer over random quotes, honest and not."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.reconcile import reconcile
from oracles.types import PriceStatus, Quote, Quotes, ReconciledPrice
from oracles.votes import median_interval
from tests.kit.quotes import NOW, PARAMS, a_gap, a_quote

GROUPS = ("chainlink", "pyth", "uniswap")
USABLE = (PriceStatus.OK, PriceStatus.DEGRADED)

amounts = st.one_of(
    st.decimals("0.5", "2", places=6),
    st.decimals("0.98", "1.02", places=6),
    st.decimals("1e-12", "1e12", allow_nan=False, allow_infinity=False),
    st.sampled_from([Decimal(text) for text in ("0", "-1", "NaN", "Infinity", "-Infinity", "1e77", "1e-77")]),
)


@st.composite
def quotes(draw: st.DrawFn) -> Quote:
    price = draw(amounts)
    return a_quote(
        price, draw(st.sampled_from((*GROUPS, "hermes"))), draw(st.sampled_from((1, 10, 42161))),
        half_width=draw(st.one_of(st.decimals("0", "0.02", places=6), amounts)),
        observed_at=NOW - draw(st.integers(-100, 400)),
        holds_until=draw(st.one_of(st.none(), st.integers(NOW - 400, NOW + 400))),
        valid_until=draw(st.one_of(st.none(), st.integers(NOW - 50, NOW + 400))),
    )  # fmt: skip


def reconciled(found: list[Quote]) -> ReconciledPrice:
    return reconcile(Quotes(tuple(found)), NOW, PARAMS)["ETH"]


def figures(price: ReconciledPrice) -> tuple[object, ...]:
    return price.low, price.mid, price.high, price.observed_at, price.contributors


@given(st.lists(quotes(), max_size=8))
@settings(max_examples=300)
def test_figures_exist_only_with_a_quorum_and_are_in_order(found: list[Quote]) -> None:
    got = reconciled(found)
    if got.status not in USABLE:
        assert figures(got) == (None, None, None, None, ())
        return
    assert got.low is not None
    assert got.mid is not None
    assert got.high is not None
    assert 0 < got.low <= got.mid <= got.high
    lower, upper = median_interval([vote.price for vote in got.contributors])
    assert got.low <= lower
    assert upper <= got.high
    assert len({vote.group for vote in got.contributors}) == len(got.contributors) >= 2


@given(st.lists(quotes(), max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_the_sources_changes_nothing(found: list[Quote], random: object) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert reconciled(shuffled) == reconciled(found)


@given(st.lists(quotes(), max_size=6), quotes())
def test_a_stale_quote_changes_no_figure(found: list[Quote], late: Quote) -> None:
    stale = replace(late, observed_at=NOW - 10_000, valid_until=NOW - 1)
    before, after = reconciled(found), reconciled([*found, stale])
    assert figures(after) == figures(before)
    assert (after.status in USABLE) == (before.status in USABLE)


@given(
    st.tuples(*[st.decimals("0.98", "1.02", places=6)] * 3),
    st.integers(0, 2),
    amounts,
    st.decimals("0", "0.01", places=6),
)
@settings(max_examples=300)
def test_one_faulty_group_of_three_never_moves_the_price_outside_the_honest_ones(
    honest: tuple[Decimal, ...], liar: int, lie: Decimal, width: Decimal
) -> None:
    said = [lie if i == liar else price for i, price in enumerate(honest)]
    got = reconciled([a_quote(price, group, half_width=width) for price, group in zip(said, GROUPS, strict=True)])
    if got.mid is not None:
        others = [price for i, price in enumerate(honest) if i != liar]
        assert min(others) <= got.mid <= max(others)


@given(st.decimals("0.0001", "100000", places=4), st.decimals("0.01", "100", places=2))
def test_prices_scale_with_their_unit(price: Decimal, factor: Decimal) -> None:
    one = reconciled([a_quote(price, group) for group in GROUPS])
    other = reconciled([a_quote(price * factor, group) for group in GROUPS])
    for field in ("low", "mid", "high"):
        expected, got = getattr(one, field) * factor, getattr(other, field)
        assert abs(got - expected) <= abs(expected) * Decimal("1e-20")


@given(st.lists(quotes(), min_size=1, max_size=6))
def test_every_quote_is_accounted_for(found: list[Quote]) -> None:
    got = reconcile(Quotes(tuple(found), (a_gap("no_block", "redstone", 7),)), NOW, PARAMS)["ETH"]
    named = {vote.source for vote in got.contributors} | {dissent.source for dissent in got.dissenters}
    assert "redstone@eip155:7" in named
    for quote in found:
        same = [q for q in found if q.group == quote.group]
        assert quote.source in named or len(same) > 1 or got.status not in USABLE
