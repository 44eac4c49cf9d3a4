"""The unified buffer: isolated, netted, and what latency leaves of netting between them (RISK section 5).

R_uni = integral over gamma in [0, 1) of the sum of rho over the connected components of the venue accounts linked
by g <= gamma. Components change only at the V - 1 merge heights of single linkage, so the integral is a sum of V
layers, the same count for every portfolio of a batch.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from risk.checks import F64, Bool, number, require
from risk.errors import RiskInputError

COMPILED_FROM = 64
"""Portfolios from which compiling (once a machine) pays."""
RiskMeasure = Callable[[F64], F64]
"""Losses (..., S) to (...): subadditive, at least 0. Plain value at risk is not one."""


def worst_of(losses: F64) -> F64:
    """Worst scenario, at least 0: for grid models."""
    return _known(np.maximum(losses.max(axis=-1), 0.0))


@dataclass(frozen=True, slots=True)
class ExpectedShortfall:
    """Mean of the worst 1 - level of equally likely scenarios (the boundary one by its share), at least 0."""

    level: float

    def __post_init__(self) -> None:
        """Bounds."""
        if not 0 <= self.level < 1:
            raise RiskInputError(f"level: must be in [0, 1), was {self.level}")

    def count(self, scenarios: int) -> tuple[int, float]:
        """(whole scenarios, share of the next one) in the tail."""
        count = (1.0 - self.level) * scenarios
        whole = min(int(np.floor(count + 1e-9)), scenarios)
        return whole, count - whole if count - whole > 1e-9 else 0.0

    def __call__(self, losses: F64) -> F64:
        """Losses (..., S) to (...)."""
        whole, share = self.count(losses.shape[-1])
        worst = -np.sort(-losses, axis=-1)
        _known(worst[..., 0])
        _known(worst[..., -1])  # where sorting puts what is no number
        tail = worst[..., :whole].sum(axis=-1) + (share * worst[..., whole] if share else 0.0)
        return np.asarray(np.maximum(tail / (whole + share), 0.0), dtype=np.float64)


def _known(measured: F64) -> F64:
    """The same; refuses a measure of losses of which one is no number (a maximum and a sort show it)."""
    found = np.asarray(measured, dtype=np.float64)
    require("risk of losses", found, ~np.isfinite(found), "finite: a loss is nan or infinite")
    return found


def expected_shortfall(level: float = 0.975) -> RiskMeasure:
    """Return the measure of that level."""
    return ExpectedShortfall(level)


@dataclass(frozen=True, slots=True, eq=False)
class Unified:
    """Buffers of a batch of portfolios, in the unit of the losses."""

    iso: F64
    """(...) R_iso: nothing helps anything."""
    net: F64
    """(...) R_net: one perfect cross account."""
    uni: F64
    """(...) R_uni."""
    addon: F64
    """(...) R_uni - R_net >= 0, the price of bridge latency."""
    local_floor: F64
    """(..., V) what each account must hold itself."""


def unified(losses: F64, g: F64, rho: RiskMeasure = worst_of, donors: Bool | None = None) -> Unified:
    """Layer cake over venue accounts.

    Parameters
    ----------
    losses
        (..., V, S) loss of surplus of each account in each scenario of one common set.
    g
        (..., V, V) symmetric, in [0, 1], 0 on the diagonal; leading shape broadcasts to that of ``losses``.
    rho
        Risk measure over the last axis.
    donors
        (..., V) accounts that hold something movable; None: all. Accounts without leave the local floors of
        others at the next best source.

    Raises
    ------
    RiskInputError
        For shapes that do not fit, numbers that are not finite, or g that is no symmetric matrix of shares.
    """
    losses, g = _checked(losses, g)
    batch, (accounts, scenarios) = losses.shape[:-2], losses.shape[-2:]
    flat = (losses.reshape(-1, accounts, scenarios), g.reshape(-1, accounts, accounts))
    known = rho is worst_of or (isinstance(rho, ExpectedShortfall) and rho.count(scenarios)[0] > 0)
    if known and len(flat[0]) >= COMPILED_FROM:
        isolated, net, uni = _compiled(*flat, rho)
    else:
        isolated, net, uni = _plain(*flat, rho)
    isolated, net, uni = isolated.reshape(*batch, accounts), net.reshape(batch), uni.reshape(batch)
    iso = isolated.sum(axis=-1)
    floor = _incoming(g, donors) * isolated
    uni = np.clip(uni, net, np.maximum(iso, net))
    return Unified(iso, net, uni, uni - net, floor)


def _compiled(losses: F64, g: F64, rho: RiskMeasure) -> tuple[F64, F64, F64]:
    """(isolated, net, uni) by the kernel; numba is imported here, because that takes half a second."""
    from risk.cakekernel import layer_cake

    return layer_cake(losses, g, rho.level if isinstance(rho, ExpectedShortfall) else None)


def _plain(losses: F64, g: F64, rho: RiskMeasure) -> tuple[F64, F64, F64]:
    """(isolated, net, uni) by array operations: for few portfolios, and the twin of the kernel."""
    isolated = rho(losses)
    return isolated, rho(losses.sum(axis=-2)), _layers(losses, g, isolated, rho)


def interpolated(iso: float, net: float, g: float) -> float:
    """Return R_uni where one g holds between all accounts: net + g (iso - net)."""
    number("iso", iso, -1e300, 1e300)
    number("net", net, -1e300, 1e300)
    number("g", g, 0.0, 1e9)
    return net + g * (iso - net)


def _checked(losses: F64, g: F64) -> tuple[F64, F64]:
    losses, g = np.asarray(losses, np.float64), np.asarray(g, np.float64)
    if losses.ndim < 2 or 0 in losses.shape[-2:]:
        raise RiskInputError(f"losses: must be (..., accounts, scenarios) and not empty, is {losses.shape}")
    accounts = losses.shape[-2]
    if g.shape[-2:] != (accounts, accounts):
        raise RiskInputError(f"g: must be (..., {accounts}, {accounts}), is {g.shape}")
    try:
        g = np.broadcast_to(g, (*losses.shape[:-2], accounts, accounts))
    except ValueError:
        raise RiskInputError(f"g: {g.shape} does not broadcast to losses {losses.shape}") from None
    require("losses", losses, ~np.isfinite(losses), "finite")
    require("g", g, ~((g >= 0) & (g <= 1)), "in [0, 1]")
    require("g", g, g != np.swapaxes(g, -1, -2), "symmetric (take the larger of both directions)")
    require("g", g, (g != 0) & np.eye(accounts, dtype=bool), "0 on the diagonal")
    return losses, g


def _minimax(g: F64) -> F64:
    """(..., V, V) smallest over paths of the largest g on the path: where two accounts become linked."""
    distance = np.array(g)
    for k in range(g.shape[-1]):
        through = np.maximum(distance[..., :, k, None], distance[..., None, k, :])
        np.minimum(distance, through, out=distance)
    return distance


def _merge_heights(distance: F64) -> F64:
    """(..., V) height at which account i joins a component with a smaller index; inf for account 0.

    Below its height an account is the smallest of its component: these are the V - 1 merges of single linkage.
    """
    accounts = distance.shape[-1]
    before = np.tri(accounts, k=-1, dtype=bool)
    return np.asarray(np.where(before, distance, np.inf).min(axis=-1), dtype=np.float64)


def _layers(losses: F64, g: F64, isolated: F64, rho: RiskMeasure) -> F64:
    """(B,) the integral: walk up the merges; each replaces two components by one, so rho is taken once a merge."""
    rows = np.arange(len(losses))
    distance = _minimax(g)
    merge = _merge_heights(distance)
    order = np.argsort(merge[:, 1:], axis=1) + 1
    levels = np.sort(merge[:, 1:], axis=1)
    widths = np.diff(levels, axis=1, prepend=0.0, append=1.0)
    component, share = losses.copy(), isolated.copy()
    total = widths[:, 0] * share.sum(axis=1)
    for k in range(losses.shape[1] - 1):
        if not widths[:, k + 1 :].any():
            break
        joining = order[:, k]
        into = np.argmax(distance[rows, joining] <= levels[:, k, None], axis=1)  # smallest account of the union
        union = component[rows, into] + component[rows, joining]
        component[rows, into] = union
        share[rows, joining], share[rows, into] = 0.0, rho(union)
        total += widths[:, k + 1] * share.sum(axis=1)
    return np.asarray(total, np.float64)


def _incoming(g: F64, donors: Bool | None) -> F64:
    """(..., V) best g from another account that can give; 1 where there is none."""
    closed = np.broadcast_to(np.eye(g.shape[-1], dtype=bool), g.shape)
    if donors is not None:
        closed = closed | ~np.broadcast_to(donors, g.shape[:-1])[..., :, None]
    return np.asarray(np.where(closed, 1.0, g).min(axis=-2), dtype=np.float64)
