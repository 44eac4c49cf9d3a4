"""What advice looks like: plans of steps with unsigned transactions, and the margin before and after."""

from decimal import Decimal
from enum import StrEnum

from aggregator.report import Amount, AsOf, Frozen
from risk.status import Status


class StepKind(StrEnum):
    """What a step does."""

    WITHDRAW = "withdraw"
    BRIDGE = "bridge"
    DEPOSIT = "deposit"
    REPAY = "repay"
    REDUCE = "reduce"
    SWAP = "swap"
    HEDGE = "hedge"


class Bands(Frozen):
    """Where a portfolio's owner wants to be; advice aims here, alerts do not depend on it."""

    health: Amount | None = None
    """Least health of every account that can be liquidated; None: its own floor and horizon decide."""
    coverage: Amount = Decimal("1.0")
    """Least multiple of what the horizon may cost that an account should hold itself."""
    liquidity_coverage: Amount | None = None
    """Least of what an account holds and what can arrive in time, over what it may lose; None: not asked for."""
    ratio: Amount = Decimal("1.0")
    """Least margin ratio of the portfolio."""


class Unsigned(Frozen):
    """One transaction for the owner's own signer."""

    chain: str
    sender: str
    to: str
    data: str
    value: str
    about: str


class Eta(Frozen):
    """Seconds until a step has taken effect, from an alert on, with the wait for people and blocks."""

    median_s: Amount
    p95_s: Amount
    p99_stress_s: Amount | None
    """99 % on a bad day; None: may never arrive at that confidence."""


class Step(Frozen):
    """One step; steps are in order, and those after a bridge wait for the money."""

    kind: StepKind
    account: str
    """Venue account that it is about."""
    chain: str
    asset: str
    amount: Amount
    amount_usd: Amount
    route: str | None = None
    """Bridge, and the chain it goes to."""
    fee_usd: Amount
    eta: Eta
    transactions: tuple[Unsigned, ...]


class Standing(Frozen):
    """A report in brief."""

    status: Status
    status_reason: str
    binding_account: str | None
    account_status: Status | None
    """Of the account that the plan is for."""
    surplus_usd: Amount | None
    """Of that account."""
    net_value_usd: Amount | None
    mm_requirement_usd: Amount | None
    mm_excess_usd: Amount | None
    margin_ratio: Amount | None


class Plan(Frozen):
    """One way to act. Its transactions went through on forks of the chains, one after the other."""

    name: str
    about: str
    account: str
    steps: tuple[Step, ...]
    cost_usd: Amount
    """Fees by the route table; what trading moved shows in ``after.net_value_usd``."""
    eta: Eta
    late_probability: Amount | None
    """Chance that the money comes after liquidation, over calm and bad days; None without a deadline."""
    before: Standing
    after: Standing
    residual: str
    """What remains at risk when the plan is done."""


class Refused(Frozen):
    """A plan that is not shown, because it did not go through on a fork."""

    name: str
    account: str
    reason: str


class Movable(Frozen):
    """What one account could send elsewhere, by its venue's own withdrawal rule and above its own floor."""

    account: str
    now_usd: Amount
    least_usd: Amount
    """In the scenario that leaves least of it."""
    scenario: str


class Advice(Frozen):
    """Answer of ``crossmargin advice``."""

    portfolio: str
    as_of: AsOf
    status: Status
    status_reason: str
    do_nothing: bool
    """Nothing needs to be done: every account is inside its bands."""
    reason: str
    bands: Bands
    plans: tuple[Plan, ...]
    """Best first."""
    refused: tuple[Refused, ...]
    dollar_price: dict[str, Amount]
    """By chain: by how much one dollar more there lowers the expected shortfall that no transfer can cure."""
    prepositions: tuple[str, ...]
    """Transfers that the programme would make now, in words."""
    movable: tuple[Movable, ...] = ()
    """Of every account that could be revalued."""
