"""Scenarios of a verification: named ones from a versioned data file, or moves typed on the command line."""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from importlib.resources import files

from aggregator.errors import ServiceError
from aggregator.factors import FactorParams

CRYPTO, STABLE, SPOT = "crypto", "stable", "spot"
"""Groups of factors; ``spot`` is another word for ``crypto``."""
LARGEST = Decimal(10)


class BadScenario(ServiceError, ValueError):
    """A scenario that is not known or cannot be understood; says what there is."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Moves by factor or group, -0.2 = a fall of 20 %."""

    name: str
    about: str
    given: Mapping[str, Decimal]

    def moves(self, factors: FactorParams) -> dict[str, Decimal]:
        """Move of every factor that moves; raises BadScenario for a factor without parameters."""
        if unknown := sorted(name for name in self.given if name not in (CRYPTO, STABLE, *factors.sigma_day)):
            known = ", ".join(sorted(factors.sigma_day))
            raise BadScenario(
                f"scenario {self.name}: {unknown[0]!r} is not a factor; there are spot, stable, {known}"
            )
        found = {}
        for factor in factors.sigma_day:
            group = STABLE if factor in factors.stable else CRYPTO
            found[factor] = self.given.get(factor, self.given.get(group, Decimal(0)))
        return {factor: move for factor, move in found.items() if move}


def load_scenarios(name: str = "verify_v1") -> dict[str, Scenario]:
    """Named scenarios that ship with the package."""
    content = tomllib.loads((files("aggregator") / "data" / f"{name}.toml").read_text(encoding="utf-8"))
    return {key: _from_table(key, dict(table)) for key, table in content["scenarios"].items()}


def choose(wanted: Collection[str]) -> tuple[Scenario, ...]:
    """Scenarios by name, or from moves such as ``spot=-20%,ETH=-30%``; all named ones for none.

    Raises BadScenario.
    """
    known = load_scenarios()
    return tuple(_one(text, known) for text in wanted) or tuple(known.values())


def _one(text: str, known: Mapping[str, Scenario]) -> Scenario:
    if "=" in text:
        moves: dict[str, str] = {}
        for part in text.split(","):
            name, _, move = part.partition("=")
            name = CRYPTO if name.strip() == SPOT else name.strip()
            if name in moves:
                raise BadScenario(f"scenario {text!r}: {name} is moved twice")
            moves[name] = move
        return Scenario(text, "", {name: _move(text, name, move) for name, move in moves.items()})
    if text not in known:
        names = ", ".join(known)
        raise BadScenario(f"scenario {text!r}: is none of {names}, nor moves such as spot=-20%,ETH=-30%")
    return known[text]


def _from_table(name: str, table: dict[str, str]) -> Scenario:
    about = table.pop("about")
    return Scenario(name, about, {key: _move(name, key, value) for key, value in table.items()})


def _move(scenario: str, factor: str, text: str) -> Decimal:
    """``-20%``, ``-20 %`` or ``-0.2``; raises BadScenario."""
    digits = text.strip()
    percent = digits.endswith("%")
    try:
        value = Decimal(digits.removesuffix("%").strip())
    except InvalidOperation:
        raise BadScenario(f"scenario {scenario!r}: {factor}: expected a move such as -20%, was {text!r}") from None
    move = value / 100 if percent else value
    # NaN compares to nothing, so it is refused here too.
    if not (move.is_finite() and -1 < move <= LARGEST):
        raise BadScenario(
            f"scenario {scenario!r}: {factor}: expected a move above -100% up to 1000%, was {text!r}"
        )
    return move
