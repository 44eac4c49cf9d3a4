"""Slow twin of the layer cake: sets and loops by the definition of RISK section 5."""

from collections.abc import Callable, Sequence


def components(accounts: int, linked: Callable[[int, int], bool]) -> list[set[int]]:
    """Connected components by flooding."""
    left, found = set(range(accounts)), []
    while left:
        component = {left.pop()}
        edge = set(component)
        while edge:
            edge = {v for v in left if any(linked(u, v) for u in edge)}
            left -= edge
            component |= edge
        found.append(component)
    return found


def layer_cake(
    losses: Sequence[Sequence[float]],
    g: Sequence[Sequence[float]],
    rho: Callable[[list[float]], float] = lambda row: max(0.0, *row),
) -> tuple[float, float, float]:
    """(R_iso, R_net, R_uni) of one portfolio."""
    accounts, scenarios = len(losses), len(losses[0])

    def of(members: set[int]) -> float:
        return rho([sum(losses[v][s] for v in sorted(members)) for s in range(scenarios)])

    steps = sorted({0.0, *(x for row in g for x in row if x < 1.0)})
    uni = 0.0
    for low, high in zip(steps, [*steps[1:], 1.0], strict=True):
        parts = components(accounts, lambda u, v, gamma=low: g[u][v] <= gamma)
        uni += (high - low) * sum(of(part) for part in parts)
    return sum(of({v}) for v in range(accounts)), of(set(range(accounts))), uni
