"""Vector loops that the compiler does not find by itself, written in LLVM and inlined into the kernels.

LLVM splits a vector of any width into the registers that the processor has, so nothing here names a processor.
Pointers are passed as addresses; every loop reads whole vectors and leaves the rest of a row to its caller.
"""

from typing import Any

import numba
from llvmlite import ir
from numba.extending import intrinsic

LANES = 16
BIG = 1e300
DOUBLE, WORD, SIZE = ir.DoubleType(), ir.IntType(32), ir.IntType(64)
FUSE = ("contract",)


def tile_sum(width: int) -> Any:
    """An intrinsic: out[0:width] = Σ_j weight[j] · table[index[j], 0:width], the sums kept in registers.

    Arguments: weight (float64*), index (int32*), count, table (float64*, rows of ``width``), out (float64*).
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def run(typing_context: Any, weight: Any, index: Any, count: Any, table: Any, out: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            (total,) = _emit_tile(builder, (width,), *arguments[:4])
            target = builder.inttoptr(arguments[4], ir.VectorType(DOUBLE, width).as_pointer())
            builder.store(total, target, align=8)
            return context.get_dummy_value()

        return numba.void(numba.intp, numba.intp, numba.intp, numba.intp, numba.intp), emit

    return run


def tile_most(*parts: int) -> Any:
    """As ``tile_sum``, but returns the largest of the sums; the width is that of all parts side by side.

    Parts are vectors of their own: one of 24 the compiler would split into pieces that take twice as long as 32.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def run(typing_context: Any, weight: Any, index: Any, count: Any, table: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            totals = _emit_tile(builder, parts, *arguments)
            most = _largest(builder, totals[0], parts[0])
            for total, width in zip(totals[1:], parts[1:], strict=True):
                other = _largest(builder, total, width)
                most = builder.select(builder.fcmp_ordered(">", other, most), other, most)
            return most

        return numba.float64(numba.intp, numba.intp, numba.intp, numba.intp), emit

    return run


def _largest(builder: Any, vector: Any, width: int) -> Any:
    shape = ir.FunctionType(DOUBLE, [ir.VectorType(DOUBLE, width)])
    name = f"llvm.vector.reduce.fmax.v{width}f64"
    largest = builder.module.globals.get(name) or ir.Function(builder.module, shape, name)
    return builder.call(largest, [vector], fastmath=("nnan", "nsz"))


def _emit_tile(builder: Any, parts: tuple[int, ...], weight: Any, index: Any, count: Any, table: Any) -> list[Any]:
    """The sums as one vector for each part."""
    vectors = [ir.VectorType(DOUBLE, width) for width in parts]
    weights = builder.inttoptr(weight, DOUBLE.as_pointer())
    indices = builder.inttoptr(index, WORD.as_pointer())
    rows = builder.inttoptr(table, DOUBLE.as_pointer())
    before = builder.block
    head, body, done = (builder.append_basic_block(name) for name in ("tile.head", "tile.body", "tile.done"))
    builder.branch(head)
    builder.position_at_end(head)
    step = builder.phi(SIZE)
    totals = [builder.phi(vector) for vector in vectors]
    step.add_incoming(ir.Constant(SIZE, 0), before)
    for total, vector in zip(totals, vectors, strict=True):
        total.add_incoming(ir.Constant(vector, None), before)
    builder.cbranch(builder.icmp_signed("<", step, count), body, done)
    builder.position_at_end(body)
    row = builder.sext(builder.load(builder.gep(indices, [step])), SIZE)
    start = builder.mul(row, ir.Constant(SIZE, sum(parts)))
    scalar = builder.load(builder.gep(weights, [step]))
    for total, vector, width in zip(totals, vectors, parts, strict=True):
        values = builder.load(builder.bitcast(builder.gep(rows, [start]), vector.as_pointer()), align=8)
        product = builder.fmul(values, _spread(builder, scalar, width), flags=FUSE)
        total.add_incoming(builder.fadd(total, product, flags=FUSE), builder.block)
        start = builder.add(start, ir.Constant(SIZE, width))
    step.add_incoming(builder.add(step, ir.Constant(SIZE, 1)), builder.block)
    builder.branch(head)
    builder.position_at_end(done)
    return totals


@intrinsic  # type: ignore[untyped-decorator]
def lane_stats(typing_context: Any, row: Any, vectors: Any, out: Any) -> Any:
    """Of ``vectors``·16 doubles at ``row``: sums, sums of squares, least and largest by lane into out[0:64]."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def step(x: Any, sums: list[Any]) -> list[Any]:
            total, squares, least, most = sums
            return [
                builder.fadd(total, x),
                builder.fadd(squares, builder.fmul(x, x, flags=FUSE), flags=FUSE),
                builder.select(builder.fcmp_ordered("<", x, least), x, least),
                builder.select(builder.fcmp_ordered(">", x, most), x, most),
            ]

        _emit_lanes(builder, arguments, (0.0, 0.0, BIG, -BIG), step)
        return context.get_dummy_value()

    return numba.void(numba.intp, numba.intp, numba.intp), emit


@intrinsic  # type: ignore[untyped-decorator]
def lane_above(typing_context: Any, row: Any, vectors: Any, out: Any, z: Any) -> Any:
    """As ``lane_stats``: number and sum of the values above z, the least of them, the largest of the others."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        edge, one, none = _spread(builder, arguments[3], LANES), _all(1.0), _all(0.0)
        big, small = _all(BIG), _all(-BIG)

        def step(x: Any, sums: list[Any]) -> list[Any]:
            n, total, least, most = sums
            over = builder.fcmp_ordered(">", x, edge)
            upper, lower = builder.select(over, x, big), builder.select(over, small, x)
            return [
                builder.fadd(n, builder.select(over, one, none)),
                builder.fadd(total, builder.select(over, x, none)),
                builder.select(builder.fcmp_ordered("<", upper, least), upper, least),
                builder.select(builder.fcmp_ordered(">", lower, most), lower, most),
            ]

        _emit_lanes(builder, arguments[:3], (0.0, 0.0, BIG, -BIG), step)
        return context.get_dummy_value()

    return numba.void(numba.intp, numba.intp, numba.intp, numba.float64), emit


def _all(value: float) -> Any:
    return ir.Constant(ir.VectorType(DOUBLE, LANES), [ir.Constant(DOUBLE, value)] * LANES)


def _spread(builder: Any, scalar: Any, width: int) -> Any:
    """Vector with ``scalar`` in every lane."""
    nothing = ir.Constant(ir.VectorType(DOUBLE, width), ir.Undefined)
    first = builder.insert_element(nothing, scalar, ir.Constant(WORD, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(WORD, width), None))


def _emit_lanes(builder: Any, arguments: Any, start: tuple[float, ...], step: Any) -> None:
    """Loop over vectors with one running vector per entry of ``start``; stores them one behind another."""
    vector = ir.VectorType(DOUBLE, LANES)
    rows = builder.inttoptr(arguments[0], vector.as_pointer())
    result = builder.inttoptr(arguments[2], vector.as_pointer())
    before = builder.block
    head, body, done = (builder.append_basic_block(name) for name in ("lanes.head", "lanes.body", "lanes.done"))
    builder.branch(head)
    builder.position_at_end(head)
    place = builder.phi(SIZE)
    sums = [builder.phi(vector) for _ in start]
    place.add_incoming(ir.Constant(SIZE, 0), before)
    for running, value in zip(sums, start, strict=True):
        running.add_incoming(_all(value), before)
    builder.cbranch(builder.icmp_signed("<", place, arguments[1]), body, done)
    builder.position_at_end(body)
    x = builder.load(builder.gep(rows, [place]), align=8)
    for running, value in zip(sums, step(x, sums), strict=True):
        running.add_incoming(value, body)
    place.add_incoming(builder.add(place, ir.Constant(SIZE, 1)), body)
    builder.branch(head)
    builder.position_at_end(done)
    for slot, running in enumerate(sums):
        builder.store(running, builder.gep(result, [ir.Constant(SIZE, slot)]), align=8)
