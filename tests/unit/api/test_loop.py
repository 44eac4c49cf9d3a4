"""A stop ends what runs, in order, however the process was started."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, signal, sys
from api.cli.loop import on_loop

async def main():
    try:
        print("up", flush=True)
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0.01)
        print("in order", flush=True)

try:
    on_loop(main())
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


@pytest.mark.parametrize("background", [False, True], ids=["foreground", "background"])
def test_a_stop_ends_in_order_what_was_started_in_front_or_behind(background):
    # A shell without job control starts `command &` with SIGINT ignored.
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.SIG_IGN if background else before)
    try:
        process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        assert process.stdout.readline() == "up\n"
        process.terminate()
        said, _ = process.communicate(timeout=60)
    assert said == "in order\nstopped\n"
