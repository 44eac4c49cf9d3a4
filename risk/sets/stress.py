"""Stress rows: named episodes as they were, and hypothetical rows for whatever factors a portfolio has.

Rows: each episode; each stablecoin's falls, undamped; every basis down and up by its shock and by twice it (LST
discount, bridged forms while a bridge is out); each crypto factor alone against all others (correlation break).
A factor that an episode does not name takes its ``others`` move if it is crypto and stands still if it is stable.
"""

import numpy as np

from risk.arrays import FactorArrays
from risk.checks import F64
from risk.scenarios import ScenarioSet
from risk.sets.params import Episode, StressParams


def stress_set(params: StressParams, factors: FactorArrays) -> ScenarioSet:
    """Rows of ``params`` for these factors; no damping: a stress row is what it is."""
    crypto = ~factors.is_stable
    rows: list[tuple[str, F64, F64, float]] = []
    still, flat = np.zeros(len(factors.names)), np.zeros(len(factors.basis_names))
    rows.append(("as is", still, flat, 0.0))
    for episode in params.episodes:
        moves = _episode_moves(episode, factors)
        rows.append((episode.name, moves, np.full_like(flat, episode.bases), episode.vol))
    for index in np.flatnonzero(factors.is_stable):
        name = factors.names[index]
        rows += [(f"{name} {fall:+.0%}", _alone(still, int(index), fall), flat, 0.0) for fall in params.depegs]
    for sign, word in ((-1.0, "discount"), (1.0, "premium")):
        for times in (1.0, 2.0):
            if factors.basis_shock.any():
                shock = np.maximum(sign * times * factors.basis_shock, -0.95)
                rows.append((f"all bases {word} x {times:g}", still, shock, 0.0))
    for index in np.flatnonzero(crypto) if crypto.sum() > 1 else ():
        for sign in (-1.0, 1.0):
            moves = np.where(crypto, -sign * params.break_move, 0.0)
            moves[index] = sign * params.break_move
            rows.append((f"break: {factors.names[index]} {sign * params.break_move:+.0%}", moves, flat, 0.0))
    return ScenarioSet(
        id=params.id,
        version=params.version,
        factor_names=factors.names,
        basis_names=factors.basis_names,
        labels=tuple(row[0] for row in rows),
        factor_shock=np.stack([row[1] for row in rows]),
        basis_shock=np.stack([row[2] for row in rows]),
        vol_shift=np.zeros(len(rows), dtype=np.int32),
        damping=np.ones(len(rows)),
        vol=params.tenor.as_shock(),
        vol_move=np.array([row[3] for row in rows]),
    )


def _episode_moves(episode: Episode, factors: FactorArrays) -> F64:
    named = {move.factor: move.move for move in episode.moves}
    default = np.where(factors.is_stable, 0.0, episode.others)
    return np.array([named.get(name, default[index]) for index, name in enumerate(factors.names)])


def _alone(still: F64, index: int, move: float) -> F64:
    moved = still.copy()
    moved[index] = move
    return moved
