"""Compiled Black-76 over instruments x scenarios, about 100 times the speed of per-option libraries.

Outer structure: ln(F/K) = ln(F_i/K_i) + ln(growth_s), σ√τ = (σ_i√τ_i)·multiplier_s, so that no logarithm and one
division are left in the loop. F·φ(d1) = K·φ(d2) makes one exponential serve both normal values. The normal law is
J. F. Hart's rational form (Computer Approximations, 1968, as given by G. West 2005), used on all of [0, 37.5]:
beyond 7 its relative error grows, where the value is below 1e-12. Absolute error below 1e-14 of F (tests).
"""

import math
from typing import Any

import numpy as np

from risk.jit import kernel, power_of_two

LOG2_E, LN_2 = 1.4426950408889634, 0.6931471805599453
FARTHEST = 37.5
"""exp(-37.5²/2) is the smallest exponential that is still a normal number; N(-37.5) = 0 for any price."""


@kernel
def decay(y: Any) -> Any:
    """exp(-y) for y in [0, 705]: 2^n times the series to the 12th power on |r| <= ln(2)/2."""
    n = np.rint(-y * LOG2_E)
    r = -y - n * LN_2
    p = 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return p * power_of_two(n)


@kernel
def hart_over(a: Any) -> Any:
    """Numerator of N(-a)·exp(a²/2)."""
    p = 3.52624965998911e-02 * a + 0.700383064443688
    p = p * a + 6.37396220353165
    p = p * a + 33.912866078383
    p = p * a + 112.079291497871
    p = p * a + 221.213596169931
    return p * a + 220.206867912376


@kernel
def hart_under(a: Any) -> Any:
    """Denominator of N(-a)·exp(a²/2)."""
    p = 8.83883476483184e-02 * a + 1.75566716318264
    p = p * a + 16.064177579207
    p = p * a + 86.7807322029461
    p = p * a + 296.564248779674
    p = p * a + 637.333633378831
    p = p * a + 793.826512519948
    return p * a + 440.413735824752


@kernel
def option_rows(
    sign: Any,
    held: Any,
    paid: Any,
    moneyness: Any,
    deviation: Any,
    shock: Any,
    tenor: Any,
    growth: Any,
    log_growth: Any,
    multiplier: Any,
    inverse: Any,
    out: Any,
) -> None:
    """Prices (N, S) into ``out``.

    ``sign`` (N,) 1 call, -1 put; ``held`` = F·D, ``paid`` = K·D, ``moneyness`` = ln(F/K), ``deviation`` = σ√τ > 0;
    ``shock``, ``tenor`` (N,) rows of ``growth``, ``log_growth`` (C, S) and ``multiplier``, ``inverse`` (V, S).
    """
    for i in range(out.shape[0]):
        g, lg = growth[shock[i]], log_growth[shock[i]]
        m, im = multiplier[tenor[i]], inverse[tenor[i]]
        w, F, K, x, dev = sign[i], held[i], paid[i], moneyness[i], deviation[i]
        idev, ratio = 1.0 / dev, F / K
        row = out[i]
        for s in range(out.shape[1]):
            width = dev * m[s]
            d1 = (x + lg[s]) * (idev * im[s]) + 0.5 * width
            d2 = d1 - width
            a1, a2 = min(abs(d1), FARTHEST), min(abs(d2), FARTHEST)
            e1 = decay(0.5 * a1 * a1)
            e2 = e1 * (ratio * g[s])
            under1, under2 = hart_under(a1), hart_under(a2)
            share = 1.0 / (under1 * under2)
            q1 = e1 * hart_over(a1) * under2 * share
            q2 = e2 * hart_over(a2) * under1 * share
            n1 = 0.5 + math.copysign(0.5 - q1, w * d1)
            n2 = 0.5 + math.copysign(0.5 - q2, w * d2)
            forward = F * g[s]
            row[s] = max(w * (forward * n1 - K * n2), max(w * (forward - K), 0.0))
