"""Decoders that run in a process of their own, between two pipes, as gpg does.

ncompress only pushes, so that its output could not be bounded in this process; pyppmd 1.3.1 ends its process with
SIGSEGV or SIGFPE on some damaged input. A pipe bounds the one and a process holds the other.

This file is also what the child runs, by its path and isolated (`python -I`), so that it imports nothing of inlet.
"""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO, cast

CHUNK = 1 << 18
"""Bytes that go into the child or come out of it at a time."""

STUCK = 120
"""Seconds after which a decoder that has not made a chunk of PPMd's plaintext, 25 ms of work, is taken to hang."""


def piped(stream: BinaryIO, where: str, *command: str) -> Iterator[bytes]:
    """What the child makes of `stream`; `command` is `compress`, or `ppmd` with its order, memory and length in bytes.

    Raises `Damaged` where the decoder refuses the data or crashes on it, `Interrupted` where the child was killed from
    outside, and what `stream` raises. The child ends with the iterator.
    """
    from blocks.errors import Interrupted  # not at the top: the child has no use for them
    from spark.errors import Damaged

    process = subprocess.Popen(
        [sys.executable, "-I", __file__, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    stdin, stdout, stderr = (cast(BinaryIO, pipe) for pipe in (process.stdin, process.stdout, process.stderr))
    failed: list[BaseException] = []
    fed = 0  # bytes

    def feed() -> None:
        nonlocal fed
        try:
            while chunk := stream.read(CHUNK):
                fed += len(chunk)
                stdin.write(chunk)
        except BrokenPipeError:
            pass  # it has ended; why is in its code
        except BaseException as error:  # raised where the plaintext is read
            failed.append(error)
        finally:
            with suppress(OSError):
                stdin.close()

    feeder = threading.Thread(target=feed, name=f"{command[0]}-feed", daemon=True)
    feeder.start()
    try:
        while chunk := stdout.read(CHUNK):
            yield chunk
        feeder.join()
        if failed:
            raise failed[0]
        said = stderr.read().decode(errors="replace").strip().splitlines() or ["its decoder refuses it"]
        code = process.wait()
        if -code in _CRASHES:
            raise Damaged(f"{where}: its decoder crashed (signal {-code}), before byte {fed:,}")
        if code < 0:
            raise Interrupted(f"{where}: its decoder was killed by signal {-code}")
        if code:
            raise Damaged(f"{where}: {said[-1]}, before byte {fed:,}")
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        feeder.join()
        stdout.close()
        stderr.close()


_CRASHES = (signal.SIGILL, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV, signal.SIGALRM)


def _compress(source: BinaryIO, target: BinaryIO) -> None:
    import ncompress  # type: ignore[import-untyped]

    ncompress.decompress(source, target)


def _ppmd(source: BinaryIO, target: BinaryIO, order: int, memory: int, length: int) -> None:
    """PPMd variant H, as 7z has it: no end mark, and its last symbols may need one byte that is not there."""
    import pyppmd

    decoder = pyppmd.Ppmd7Decoder(order, memory)
    padded = False
    while length:
        data = b""
        if decoder.needs_input:
            data = source.read(1 << 14)
            if not data:
                if padded:
                    raise ValueError("cut off")
                data, padded = b"\0", True
        signal.alarm(STUCK)
        plain = decoder.decode(data, min(length, CHUNK))
        signal.alarm(0)
        target.write(plain)
        length -= len(plain)
    while source.read(CHUNK):  # what follows is not ours
        pass


def main(kind: str, *numbers: str) -> None:
    """Decode standard input to standard output; the last line of standard error says what is wrong."""
    try:
        if kind == "compress":
            _compress(sys.stdin.buffer, sys.stdout.buffer)
        else:
            order, memory, length = map(int, numbers)
            _ppmd(sys.stdin.buffer, sys.stdout.buffer, order, memory, length)
        sys.stdout.buffer.flush()
    except (ValueError, MemoryError, SystemError, RuntimeError) as error:
        sys.exit(str(error) or type(error).__name__)


if __name__ == "__main__":
    main(*sys.argv[1:])
