"""Model against contract, account by account."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from aggregator.factors import FactorParams
from aggregator.registry import AssetRegistry
from aggregator.verify.model import CannotModel, Figures, contract_figures, modelled
from chains.accounts import ReadFailure, VenueAccount

TOLERANCE = 1e-9
PRICE_TOLERANCE = 1e-4
"""Of a venue's price from the scenario's: half a tick of Perp v2's pool is 5e-5, the last digit of a feed 5e-9."""
EXACT_PRICE = 1e-8
"""Up to there the venue sees the scenario's price itself, to the last digit of a feed with 8 decimals."""
BPS = 10_000
BASE_UNIT = 1e-8


@dataclass(frozen=True, slots=True)
class Row:
    """One venue account under one scenario."""

    scenario: str
    portfolios: tuple[str, ...]
    account: str
    chain: str
    venue: str
    sub_account: str
    before: Figures | None
    model: Figures | None
    contract: Figures | None
    model_liquidatable: bool | None
    contract_liquidatable: bool | None
    """The contract's own verdict after the scenario, None where it gives none."""
    rel_error: float | None
    """Largest difference of E, k·MM and S beyond rounding over max(E, k·MM), or of the reader's own checks."""
    tolerance: float
    price_gap: float | None
    price_basis: str
    """``scenario`` where the venue sees the scenario's price, ``venue`` where its memory keeps it off."""
    problem: str = ""
    """Why the row does not prove anything, or '' where it does."""
    notes: tuple[str, ...] = ()
    """What the reader says about the account after the scenario, for example an invalid price."""

    @property
    def ok(self) -> bool:
        """Compared, and the same."""
        return not self.problem


@dataclass(frozen=True, slots=True)
class Subject:
    """An account before a scenario, and the portfolios that it belongs to."""

    account: VenueAccount
    portfolios: tuple[str, ...]


def comparable(account: VenueAccount) -> bool:
    """Whether the venue has a figure of its own to compare with."""
    return account.equity_usd is not None and bool(account.checks or account.liquidatable is not None)


def compare(
    subject: Subject,
    after: VenueAccount | None,
    scenario: str,
    moves: Mapping[str, Decimal],
    registry: AssetRegistry,
    params: FactorParams,
    tolerance: float = TOLERANCE,
) -> Row:
    """One row; ``after`` is None where the account could not be read any more."""
    account = subject.account
    if after is None:
        return _failed(subject, scenario, tolerance, "the account is gone after the scenario")
    try:
        ours = modelled(account, after, moves, registry, params)
        theirs = contract_figures(after, ours.scale_usd)
    except CannotModel as reason:
        return _failed(subject, scenario, tolerance, str(reason))
    model = _without_lost_losses(ours.figures, theirs)
    rounding = rounding_usd(account, theirs)
    error = max(_error(model, theirs, rounding), _own_error(after))
    return Row(
        scenario=scenario,
        portfolios=subject.portfolios,
        account=account.account,
        chain=account.at.chain,
        venue=account.venue,
        sub_account=account.sub_account,
        before=_before(account),
        model=model,
        contract=theirs,
        model_liquidatable=model.surplus_usd < 0,
        contract_liquidatable=after.liquidatable,
        rel_error=error,
        tolerance=tolerance,
        price_gap=ours.price_gap,
        price_basis="scenario" if ours.price_gap <= EXACT_PRICE else "venue",
        problem=_problem(error, tolerance, ours.price_gap, model, after, rounding),
        notes=after.degraded,
    )


def unread(failure: ReadFailure, portfolios: tuple[str, ...], scenario: str, tolerance: float = TOLERANCE) -> Row:
    """Row of an account that could not be read: it proves nothing."""
    chain = failure.account.rpartition(":")[0]
    problem = f"could not be read: {failure.reason}: {failure.detail}"
    return Row(
        scenario, portfolios, failure.account, chain, failure.venue, "", None, None, None, None, None, None,
        tolerance, None, "", problem,
    )  # fmt: skip


def _failed(subject: Subject, scenario: str, tolerance: float, problem: str) -> Row:
    account = subject.account
    return Row(
        scenario, subject.portfolios, account.account, account.at.chain, account.venue, account.sub_account,
        _before(account), None, None, None, None, None, tolerance, None, "", problem,
    )  # fmt: skip


def _before(account: VenueAccount) -> Figures | None:
    if account.equity_usd is None:
        return None
    return Figures(float(account.equity_usd), float(account.mm_requirement_usd))


def _without_lost_losses(model: Figures, contract: Figures) -> Figures:
    """Where the venue isolates, losses beyond the equity are its own: its contract says that nothing is left."""
    if contract.equity_usd == 0 and model.equity_usd < 0:
        return Figures(0.0, model.mm_requirement_usd)
    return model


def _error(model: Figures, contract: Figures, rounding: float) -> float:
    pairs = (
        (model.equity_usd, contract.equity_usd),
        (model.mm_requirement_usd, contract.mm_requirement_usd),
        (model.surplus_usd, contract.surplus_usd),
    )
    scale = max(abs(figure) for pair in pairs[:2] for figure in pair)
    worst = max(abs(ours - theirs) for ours, theirs in pairs)
    return max(0.0, worst - rounding) / scale if scale else 0.0


def _own_error(after: VenueAccount) -> float:
    return max((float(check.rel_error) for check in after.checks), default=0.0)


def _problem(
    error: float, allowed: float, gap: float, model: Figures, after: VenueAccount, rounding: float
) -> str:
    if gap > PRICE_TOLERANCE:
        return f"the venue's price is {gap:.1e} off the scenario's, allowed {PRICE_TOLERANCE:.0e}"
    if error > allowed:
        return f"relative error {error:.1e}, allowed {allowed:.0e}"
    undecided = abs(model.surplus_usd) <= rounding + allowed * model.mm_requirement_usd
    if after.liquidatable is not None and after.liquidatable != (model.surplus_usd < 0) and not undecided:
        said = "liquidatable" if after.liquidatable else "not liquidatable"
        return f"the contract says {said}, the model's surplus is {model.surplus_usd:.6f}"
    return ""


def rounding_usd(account: VenueAccount, contract: Figures) -> float:
    """What the venue's own integers may cut off, US dollars."""
    match account.venue:
        case "aave-v3":
            legs = BASE_UNIT * (len(account.positions) + 1)
            # The average threshold is cut to whole basis points, by as much as it happens to lie above one.
            return legs + (_collateral_usd(contract) / BPS if _mixed(account.positions) else 0.0)
        case "perp-v2":
            return 2e-6  # account values are cut to the settlement token's 6 decimals, before and after
        case "morpho-blue":
            return 3e-6  # debts and limits are whole units of a token with 6 decimals
        case _:
            return 0.0


def _mixed(positions: Sequence[object]) -> bool:
    """Whether collateral has several liquidation thresholds."""
    details = (getattr(position, "details", {}) for position in positions)
    return len({d["liquidation_threshold_bps"] for d in details if "liquidation_threshold_bps" in d}) > 1


def _collateral_usd(contract: Figures) -> float:
    """Upper bound of the collateral's value: thresholds are above a third of it."""
    return 3 * contract.equity_usd
