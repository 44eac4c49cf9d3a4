"""A wire of its own round trip between a client and a server on this machine, in a process of its own."""

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

CHUNK = 1 << 16


@contextmanager
def far_away(url: str, round_trip_s: float) -> Iterator[str]:
    """URL of the same server behind half the round trip each way, and one more for opening a connection."""
    ours, theirs = multiprocessing.Pipe()
    port = urlsplit(url).port
    process = multiprocessing.get_context("spawn").Process(
        target=_run, args=(theirs, port, round_trip_s), daemon=True
    )
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


def _run(ready: Connection, port: int, round_trip_s: float) -> None:
    asyncio.run(_serve(ready, port, round_trip_s))


async def _serve(ready: Connection, port: int, round_trip_s: float) -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(round_trip_s)
        there, back = await asyncio.open_connection("127.0.0.1", port)
        half = round_trip_s / 2
        await asyncio.gather(_carry(reader, back, half), _carry(there, writer, half))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    ready.send(server.sockets[0].getsockname()[1])
    async with server:
        await server.serve_forever()


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter, delay_s: float) -> None:
    """Every piece so much later, in its order; what is under way does not hold up what follows."""
    loop = asyncio.get_running_loop()
    while piece := await source.read(CHUNK):
        loop.call_later(delay_s, target.write, piece)
    loop.call_later(delay_s, target.close)
