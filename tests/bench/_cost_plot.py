"""Cost of the ES scan by number of accounts, as a picture: ``python -m tests.bench._cost_plot FILE.svg``."""

import math
import sys
from pathlib import Path

import numpy as np

from risk.scan import scan
from tests.bench.risk import INSTRUMENTS, LEVEL, SCENARIOS, accounts, best

COUNTS = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
WIDTH, HEIGHT, LEFT, BOTTOM = 640, 360, 70, 50


def measured() -> list[tuple[int, float]]:
    """(accounts, seconds) of one scan of 20 positions each over 1,000 scenarios, one thread."""
    changes = np.random.default_rng(5).normal(size=(INSTRUMENTS, SCENARIOS))
    found = []
    for count in COUNTS:
        units = accounts(count)
        found.append((count, best(lambda units=units: scan(units, changes, LEVEL), 1 if count > 100_000 else 3)))
    return found


def picture(points: list[tuple[int, float]]) -> str:
    """Both axes logarithmic; the line is proportional cost through the point of 100,000 accounts."""
    at = dict(points)[100_000] / 100_000

    def x(count: float) -> float:
        return LEFT + (WIDTH - LEFT - 30) * (math.log10(count) - 3) / 3

    def y(seconds: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - 30) * (math.log10(seconds) + 3) / 4

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<line x1="{x(1e3):.1f}" y1="{y(at * 1e3):.1f}" x2="{x(1e6):.1f}" y2="{y(at * 1e6):.1f}" stroke="#bbb"/>',
    ]
    low, left = HEIGHT - 28, LEFT - 8
    parts += [f'<text x="{x(10**n):.0f}" y="{low}" text-anchor="middle">{10**n:,}</text>' for n in range(3, 7)]
    parts += [
        f'<text x="{left}" y="{y(10.0**n) + 4:.0f}" text-anchor="end">{10.0**n:g} s</text>' for n in range(-3, 2)
    ]
    for count, seconds in points:
        parts.append(f'<circle cx="{x(count):.1f}" cy="{y(seconds):.1f}" r="4" fill="#1f5fbf"/>')
        label = f"{seconds / count * 1e6:.2f} us/account"
        anchor, dx = ("start", 8) if count < COUNTS[-1] else ("end", -8)
        parts.append(
            f'<text x="{x(count) + dx:.1f}" y="{y(seconds) + 16:.1f}" text-anchor="{anchor}">{label}</text>'
        )
    told = "accounts of 20 positions, ES 97.5 % over 1,000 scenarios, one thread; the line is proportional cost"
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">{told}</text></svg>')
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(picture(measured()))
