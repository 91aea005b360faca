"""PGP messages opened by GnuPG, streaming.

gpg has written all of the plaintext by the time it finds out that the message was tampered with, and it exits
with 0 for one that is cut off in its first packet. A message is therefore accepted only with exit 0 *and*
DECRYPTION_OKAY *and* GOODMDC (or AEAD) on the status pipe; until then the reader has not seen the end of the file.
"""

import fcntl
import io
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from blocks.errors import Interrupted, Misconfigured
from spark.errors import Undecryptable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CHUNK = 1 << 18
PIPE = 1 << 20
"""Bytes that a pipe holds: Linux lets anybody ask for 1 MiB; the default of 64 KiB is 8 % slower."""


class Decrypt(Protocol):
    """Opens a PGP message: takes its stream and its name for errors, gives the plaintext's stream.

    The read that would have returned the end of the file raises `Undecryptable` unless the message was proved whole.
    """

    def __call__(self, stream: BinaryIO, name: str) -> AbstractContextManager[BinaryIO]:
        """Open the message; raises `Undecryptable` from reads."""
        ...


def decrypter(home: Path, passphrase: str | None = None, signer: str | None = None) -> Decrypt:
    """`gpg_stream` with the keys bound. A home from `PgpKey.home()` holds its passphrase: give none."""

    def decrypt(stream: BinaryIO, name: str) -> AbstractContextManager[BinaryIO]:
        return gpg_stream(stream, home, passphrase, name=name, signer=signer)

    return decrypt


@contextmanager
def gpg_stream(
    stream: BinaryIO,
    home: Path,
    passphrase: str | None = None,
    *,
    name: str = "message",
    signer: str | None = None,
) -> Iterator[BinaryIO]:
    """The plaintext of the PGP message in `stream`, decrypted by the keys in `home` as it is read.

    `passphrase` unlocks the key or is the message's own; it goes by a pipe. Armored, binary, compressed and
    signed messages are read; a signature is not looked at unless `signer`, a fingerprint, must have signed it, or
    "any" of the keys in `home`.

    Reads raise `Undecryptable` (no key, wrong passphrase, tampered, cut off, not signed by `signer`),
    `Interrupted` when gpg was killed, or what `stream` itself raised. `Misconfigured` if there is no gpg. The
    source is read by a thread that ends with the context, so its reads need time limits of their own.
    """
    gpg = _Gpg(stream, home, passphrase, name, signer)
    try:
        with io.BufferedReader(gpg, CHUNK) as plain:
            yield cast(BinaryIO, plain)
    finally:
        gpg.stop()


class _Gpg(io.RawIOBase):
    """A running gpg: a thread feeds it, another collects its status lines, reads come from its output."""

    def __init__(self, source: BinaryIO, home: Path, passphrase: str | None, name: str, signer: str | None) -> None:
        self._name, self._signer = name, signer
        self._source_error: BaseException | None = None
        self._verdict: BaseException | None = None
        self._ended = self._stopped = False
        self._status: list[list[str]] = []
        status, gpg_status = os.pipe()
        gpg_passphrase, words = os.pipe()
        command = ["gpg", "--homedir", str(home), "--batch", "--no-tty", "--quiet", "--no-symkey-cache",
                   "--status-fd", str(gpg_status), "--pinentry-mode", "loopback"]  # fmt: skip
        if passphrase is not None:
            command += ["--passphrase-fd", str(gpg_passphrase)]
            os.write(words, passphrase.encode() + b"\n")
        if signer is None:
            command += ["--skip-verify"]  # else a signer whose key we lack makes gpg exit with 2
        os.close(words)
        try:
            self._process = subprocess.Popen(
                [*command, "--decrypt"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # the status lines say it all, and name no file
                bufsize=0,
                pass_fds=(gpg_status, gpg_passphrase),
            )
        except FileNotFoundError as error:
            os.close(status)
            raise Misconfigured("gpg is not installed") from error
        finally:
            os.close(gpg_status)
            os.close(gpg_passphrase)
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError, AttributeError):  # smaller pipes are only slower
                fcntl.fcntl(cast(BinaryIO, pipe), fcntl.F_SETPIPE_SZ, PIPE)
        self._threads = [
            threading.Thread(target=partial(self._feed, source), name="gpg-feed", daemon=True),
            threading.Thread(target=partial(self._collect, status), name="gpg-status", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _feed(self, source: BinaryIO) -> None:
        stdin = cast(io.FileIO, self._process.stdin)
        armor = _Armor(self._name)
        try:
            while not self._stopped and (chunk := source.read(CHUNK)):
                armor.watch(chunk)
                view = memoryview(chunk)
                try:
                    while view:
                        view = view[stdin.write(view) :]
                except BrokenPipeError:
                    return  # gpg has ended; why is in its status
        except BaseException as error:  # raised where the plaintext is read
            self._source_error = error
        finally:
            with suppress(OSError):
                stdin.close()

    def _collect(self, status: int) -> None:
        with open(status, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                words = line.split()
                if len(words) > 1 and words[0] == "[GNUPG:]":
                    self._status.append(words[1:])

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        if not self._ended:
            read = cast(io.FileIO, self._process.stdout).readinto(buffer)
            if read:
                return read
            self._ended = True
            self._wait()
            self._verdict = self._source_error or self._judge()
        if self._verdict is not None:
            raise self._verdict
        return 0

    def _wait(self) -> None:
        self._process.wait()
        for thread in self._threads:
            thread.join()

    def stop(self) -> None:
        """Kill gpg if it still runs; leave no process, thread or pipe."""
        self._stopped = True
        if self._process.poll() is None:
            self._process.kill()
        cast(io.FileIO, self._process.stdout).close()
        self._wait()

    def _lines(self, keyword: str) -> list[list[str]]:
        return [words[1:] for words in self._status if words[0] == keyword]

    def _judge(self) -> Exception | None:
        """None if gpg proved the message, else the reason."""
        code = self._process.returncode
        if code < 0:  # cancelled or out of memory: nothing is known about the data
            return Interrupted(f"{self._name}: gpg was killed by signal {-code}")
        aead = any(len(words) > 2 and words[2] != "0" for words in self._lines("DECRYPTION_INFO"))
        proved = bool(self._lines("DECRYPTION_OKAY")) and (bool(self._lines("GOODMDC")) or aead)
        reason = None
        if self._signer is not None and proved:
            reason = self._signature()
        elif code != 0 or not proved:
            reason = self._reason()
        return None if reason is None else Undecryptable(f"{self._name}: {reason}")

    def _signature(self) -> str | None:
        """None if `signer` has signed the message and nothing speaks against it, else the reason."""
        given = cast(str, self._signer).replace(" ", "").upper()
        signer = "any of our signers" if given == "ANY" else given
        for said in self._signatures():
            valid = said.get("VALIDSIG")  # the key's fingerprint first, its primary key's last
            if valid and given in (valid[0], valid[-1], "ANY"):
                if "GOODSIG" not in said:  # EXPSIG, EXPKEYSIG or REVKEYSIG
                    return f"the signature of {signer}, or its key, has expired or was revoked"
                if self._process.returncode == 0:
                    return None
                return f"beside the signature of {signer} there is one that cannot be checked"
        if self._lines("BADSIG"):
            return "the signature is bad"
        if unknown := self._lines("NO_PUBKEY"):
            keys = ", ".join(words[0] for words in unknown)
            return f"it is not signed by {signer}, or that public key is missing: there is none for {keys}"
        return f"it is not signed by {signer}"

    def _signatures(self) -> Iterator[dict[str, list[str]]]:
        """What gpg says of each signature, by keyword."""
        said: dict[str, list[str]] = {}
        for keyword, *words in self._status:
            if keyword == "NEWSIG":
                yield said
                said = {}
            said[keyword] = words
        yield said

    def _reason(self) -> str:
        recipients = [words[0] for words in self._lines("ENC_TO")]
        errors = " ".join(word for words in self._lines("ERROR") for word in words)
        if self._lines("BADMDC"):
            return "the integrity check failed: it was tampered with, cut off or added to"
        if "BAD_PASSPHRASE" in errors:
            return "the passphrase is wrong"
        if self._lines("DECRYPTION_INFO"):
            return "it is cut off or damaged" if self._process.returncode else "it has no integrity protection"
        if self._lines("NEED_PASSPHRASE") or self._lines("NEED_PASSPHRASE_SYM") or self._lines("INQUIRE_MAXLEN"):
            return "it needs a passphrase and none was given"
        if recipients and self._lines("KEY_CONSIDERED"):  # gpg speaks only of keys that it has
            return f"the passphrase of its key is wrong; it is encrypted to {', '.join(recipients)}"
        if recipients and self._lines("DECRYPTION_FAILED"):
            return f"no key of ours fits; it is encrypted to {', '.join(recipients)}"
        if self._lines("PLAINTEXT"):
            return "it is signed or compressed but not encrypted"
        return "it is cut off or is no PGP message"


class _Armor:
    """Looks for what follows an armored message, which gpg passes over in silence; after a binary one it fails."""

    END = b"-----END PGP MESSAGE-----"

    def __init__(self, name: str) -> None:
        self._name = name
        self._armored: bool | None = None
        self._ended = False
        self._seen = 0
        self._last = b""

    def watch(self, chunk: bytes) -> None:
        """Raises `Undecryptable` for anything but blank lines behind the end."""
        if self._armored is None:
            self._armored = b"-----BEGIN PGP MESSAGE-----" in chunk
        if not self._armored:
            return
        self._seen += len(chunk)
        rest = chunk
        if not self._ended:
            _, end, rest = (self._last + chunk).partition(self.END)
            self._ended = bool(end)
            self._last = (self._last + chunk)[-len(self.END) :] if not end else b""
        if self._ended and rest.strip():
            raise Undecryptable(f"{self._name}: bytes after its end, before byte {self._seen:,}")
