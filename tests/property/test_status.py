"""Law 12 of RISK section 7: status never improves when a price moves against the binding account; law 13."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from risk.status import AccountState, Status, account_status, portfolio_status

many = settings(max_examples=500, deadline=None)
usd = st.floats(0, 1e6)
span = st.one_of(st.floats(0, 2e5), st.just(math.inf))
states = st.builds(
    AccountState,
    surplus_usd=st.floats(-1e3, 1e6),
    mm_requirement_usd=st.one_of(usd, st.just(0.0)),
    ttl_s=span,
    ttf_s=span,
    liquidity_coverage=st.floats(0, 10),
    rescue_gap_usd=st.one_of(usd, st.just(0.0)),
    local_floor_usd=usd,
    complete=st.booleans(),
)


def worse(state: AccountState, loss: float, faster: float) -> AccountState:
    """The same account after an adverse move: less surplus, less time, a later rescue, a wider gap."""
    return AccountState(
        surplus_usd=state.surplus_usd - loss,
        mm_requirement_usd=state.mm_requirement_usd * (1 + loss / 1e6),
        ttl_s=state.ttl_s * faster if math.isfinite(state.ttl_s) or faster < 1 else state.ttl_s,
        ttf_s=state.ttf_s / max(faster, 1e-9),
        liquidity_coverage=state.liquidity_coverage * faster,
        rescue_gap_usd=state.rescue_gap_usd + loss,
        local_floor_usd=state.local_floor_usd + loss,
        complete=state.complete,
    )


@many
@given(states, usd, st.floats(0, 1))
def test_adverse_move_never_improves_an_account(state, loss, faster):
    assert account_status(worse(state, loss, faster)).status.severity >= account_status(state).status.severity


@many
@given(st.lists(states, max_size=5), usd, st.integers(0, 4), usd, st.floats(0, 1), st.booleans())
def test_adverse_move_never_improves_a_portfolio(accounts, buffer, which, loss, faster, complete):
    before = portfolio_status(accounts, buffer, complete)
    after = [worse(s, loss, faster) if i == which else s for i, s in enumerate(accounts)]
    assert portfolio_status(after, buffer, complete).status.severity >= before.status.severity


@many
@given(st.lists(states, max_size=5), usd, st.booleans())
def test_portfolio_is_never_better_than_any_account(accounts, buffer, complete):
    found = portfolio_status(accounts, buffer, complete)
    assert all(found.status.severity >= a.status.severity for a in found.accounts)
    if not complete or not all(a.complete for a in accounts):
        assert found.status not in {Status.SAFE, Status.WATCH}
    if any(s.surplus_usd < 0 for s in accounts):
        assert found.status == Status.LIQUIDATABLE
    if found.binding is not None:
        assert found.accounts[found.binding].status == found.status
