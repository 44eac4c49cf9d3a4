"""Compiled loops of ``scan``: tiles of scenario values, row maximum and exact ES fused, no accounts x scenarios.

Layout: minus the value matrix (N, S) is cut into tiles of 32 columns, each packed (N, 32), so that one tile stays
in the cache while a block of accounts passes over it; a block's losses (ROWS, S) are reduced while still cached.
A set of up to 32 rows is one tile of 8, 16, 24 or 32 columns and its maximum is taken at once.

ES of a row is found on the threshold z with exactly k losses above it: from n losses above z with mean excess m
the next threshold is z + m·ln(n/k) (an exponential tail), kept inside a bracket that always shrinks to a value of
the row; ties and parts of a row are exact (R. T. Rockafellar, S. Uryasev 2000).
"""

import math
from typing import Any

from risk.jit import kernel
from risk.lanes import BIG, LANES, lane_above, lane_stats, tile_most, tile_sum

WIDE = 32
ROWS = 64
"""Accounts in a block: 64 x 1,000 losses are half a megabyte."""
_tile32 = tile_sum(WIDE)
_most8, _most16, _most24, _most32 = tile_most(8), tile_most(16), tile_most(16, 8), tile_most(32)


@kernel
def row_stats(row: Any, count: Any, lanes: Any) -> Any:
    """Sum, sum of squares, least and largest; ``lanes`` (4, 16) is scratch."""
    whole = count // LANES
    lane_stats(row.ctypes.data, whole, lanes.ctypes.data)
    total = squares = 0.0
    least, most = BIG, -BIG
    for i in range(LANES):
        total += lanes[0, i]
        squares += lanes[1, i]
        least = min(least, lanes[2, i])
        most = max(most, lanes[3, i])
    for i in range(whole * LANES, count):
        x = row[i]
        total += x
        squares += x * x
        least = min(least, x)
        most = max(most, x)
    return total, squares, least, most


@kernel
def above(row: Any, count: Any, z: Any, lanes: Any) -> Any:
    """Number and sum of the values above z, the least of them, and the largest of the others."""
    whole = count // LANES
    lane_above(row.ctypes.data, whole, lanes.ctypes.data, z)
    n = total = 0.0
    least, most = BIG, -BIG
    for i in range(LANES):
        n += lanes[0, i]
        total += lanes[1, i]
        least = min(least, lanes[2, i])
        most = max(most, lanes[3, i])
    for i in range(whole * LANES, count):
        x = row[i]
        if x > z:
            n += 1.0
            total += x
            least = min(least, x)
        else:
            most = max(most, x)
    return n, total, least, most


@kernel
def row_es(row: Any, count: Any, k: Any, quantile: Any, lanes: Any) -> Any:
    """(ES, largest) of the k largest values; ``quantile`` of the normal law gives the first threshold."""
    total, squares, least, most = row_stats(row, count, lanes)
    mean = total / count
    spread = math.sqrt(max(squares / count - mean * mean, 0.0))
    low, over_low, high = least - (most - least) - 1.0, least, most
    z = mean + quantile * spread
    while over_low < high:
        if not low < z < high:
            z = 0.5 * low + 0.5 * high
            if z <= low or z >= high:
                z = over_low
        n, tail, after, before = above(row, count, z, lanes)
        if abs(n - k) <= 1.0:
            return (tail + (k - n) * (after if n >= k else before)) / k, most
        if n > k:
            low, over_low = z, after
        else:
            if before == over_low:
                return (tail + (k - n) * before) / k, most
            high = before
        z = z + (tail / n - z) * math.log(n / k) if n > 0.0 else 0.5 * low + 0.5 * high
    n, tail, after, before = above(row, count, high, lanes)
    return (tail + (k - n) * high) / k, most


@kernel
def rows_es(losses: Any, k: Any, quantile: Any, lanes: Any, es: Any, most: Any, sums: Any) -> None:
    """``row_es`` of every row of (A, S); ``sums`` (A,) is not finite where a row is not."""
    for account in range(losses.shape[0]):
        row = losses[account]
        sums[account] = row_stats(row, losses.shape[1], lanes)[0]
        if abs(sums[account]) < BIG:
            es[account], most[account] = row_es(row, losses.shape[1], k, quantile, lanes)


@kernel
def block_losses(units: Any, columns: Any, starts: Any, first: Any, last: Any, packed: Any, losses: Any) -> None:
    """Losses of accounts first..last into rows of ``losses``; packed (T, N, 32), negative values."""
    for tile in range(packed.shape[0]):
        table = packed[tile].ctypes.data
        for account in range(first, last):
            begin, end = starts[account], starts[account + 1]
            out = losses.ctypes.data + ((account - first) * losses.shape[1] + tile * WIDE) * 8
            _tile32(units.ctypes.data + begin * 8, columns.ctypes.data + begin * 4, end - begin, table, out)


@kernel
def scan_es(
    units: Any,
    columns: Any,
    starts: Any,
    packed: Any,
    count: Any,
    k: Any,
    quantile: Any,
    losses: Any,
    lanes: Any,
    first: Any,
    last: Any,
    es: Any,
    most: Any,
) -> None:
    """ES and largest loss of accounts first..last over ``count`` scenarios; ``losses`` (ROWS, T·32) is scratch."""
    for begin in range(first, last, ROWS):
        end = min(begin + ROWS, last)
        block_losses(units, columns, starts, begin, end, packed, losses)
        for account in range(begin, end):
            es[account], most[account] = row_es(losses[account - begin], count, k, quantile, lanes)


@kernel
def scan_most(
    units: Any,
    columns: Any,
    starts: Any,
    packed: Any,
    count: Any,
    losses: Any,
    lanes: Any,
    first: Any,
    last: Any,
    most: Any,
) -> None:
    """Largest loss alone, over any number of tiles."""
    for begin in range(first, last, ROWS):
        end = min(begin + ROWS, last)
        block_losses(units, columns, starts, begin, end, packed, losses)
        for account in range(begin, end):
            most[account] = row_stats(losses[account - begin], count, lanes)[3]


@kernel
def scan_narrow(units: Any, columns: Any, starts: Any, packed: Any, first: Any, last: Any, most: Any) -> None:
    """Largest loss over one tile (N, 8, 16, 24 or 32) whose spare columns repeat the last scenario."""
    width = packed.shape[1]
    table = packed.ctypes.data
    for account in range(first, last):
        begin = starts[account]
        size = starts[account + 1] - begin
        weight, index = units.ctypes.data + begin * 8, columns.ctypes.data + begin * 4
        if width == 8:
            most[account] = _most8(weight, index, size, table)
        elif width == 16:
            most[account] = _most16(weight, index, size, table)
        elif width == 24:
            most[account] = _most24(weight, index, size, table)
        else:
            most[account] = _most32(weight, index, size, table)
