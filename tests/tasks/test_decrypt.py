"""PGP by gpg itself: what it proves, what it refuses, and what happens when it dies."""

import io
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import psutil
import pytest

from blocks.errors import Interrupted, Misconfigured, Unreachable
from blocks.pgp import PgpKey
from spark.errors import Undecryptable
from tasks.decrypt import decrypter, gpg_stream

TEXT = os.urandom(1 << 20).hex().encode()


def gpg(home: Path, *arguments: str, data: bytes = b"", passphrase: str = "") -> bytes:
    command = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode", "loopback"]
    command += ["--passphrase", passphrase, "--trust-model", "always", *arguments]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


@contextmanager
def private_home(*keys: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="inlet-gpg-") as folder:
        try:
            for key in keys:
                gpg(Path(folder), "--import", data=key.encode())
            yield Path(folder)
        finally:
            subprocess.run(["gpgconf", "--homedir", folder, "--kill", "gpg-agent"], check=False)


class Keys:
    """Homes and keys: `ours` without a passphrase, `locked` with one, `other` is somebody else's."""

    def __init__(self, work: Path) -> None:
        self.work = work
        gpg(work, "--quick-gen-key", "ours", "default", "default", "never")
        gpg(work, "--quick-gen-key", "locked", "default", "default", "never", passphrase="word")
        gpg(work, "--quick-gen-key", "other", "default", "default", "never")
        self.ours = gpg(work, "--armor", "--export-secret-keys", "ours").decode()
        self.locked = gpg(work, "--armor", "--export-secret-keys", "locked", passphrase="word").decode()
        self.other_public = gpg(work, "--armor", "--export", "other").decode()
        self.fingerprints = dict(
            zip(("ours", "locked", "other"), re.findall(r"pub:.*?\nfpr:+(\w+):", self._list()), strict=True)
        )

    def _list(self) -> str:
        return gpg(self.work, "--list-keys", "--with-colons").decode()

    def lock(self, *arguments: str, to: tuple[str, ...] = ("ours",), data: bytes = TEXT) -> bytes:
        recipients = [word for name in to for word in ("-r", name)]
        return gpg(self.work, *recipients, *arguments, "-e", data=data)


@pytest.fixture(scope="module")
def keys() -> Iterator[Keys]:
    with private_home() as work:
        yield Keys(work)


@pytest.fixture(scope="module")
def home(keys: Keys) -> Iterator[Path]:
    with private_home(keys.ours) as home:
        yield home


def read(message: bytes | BinaryIO, home: Path, passphrase: str | None = None, **options: Any) -> bytes:
    stream = io.BytesIO(message) if isinstance(message, bytes) else message
    with gpg_stream(stream, home, passphrase, name="m.pgp", **options) as plain:
        return plain.read()


def drain(plain: BinaryIO) -> None:
    while plain.read(1 << 16):
        pass


@pytest.fixture(autouse=True)
def _nothing_stays_behind() -> Iterator[None]:
    before = set(psutil.Process().children())  # servers of other tests run in this process too
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("gpg-")] == []
    assert set(psutil.Process().children()) <= before  # zombies would be among them


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--armor",),
        ("-z", "0"),
        ("--compress-algo", "bzip2"),
        ("-s", "-u", "other"),
        ("--armor", "-s", "-u", "ours"),
    ],
)
def test_messages(keys: Keys, home: Path, options: tuple[str, ...]) -> None:
    assert read(keys.lock(*options), home) == TEXT
    assert read(keys.lock(*options, data=b""), home) == b""


def test_several_recipients(keys: Keys, home: Path) -> None:
    assert read(keys.lock(to=("other", "locked", "ours")), home) == TEXT
    assert read(keys.lock("--hidden-recipient", "ours", to=("other",)), home) == TEXT


def test_a_key_with_a_passphrase(keys: Keys) -> None:
    message = keys.lock(to=("locked",))
    for passphrase, why in [("wrong", "passphrase of its key is wrong"), (None, "needs a passphrase")]:
        with private_home(keys.locked) as home, pytest.raises(Undecryptable, match=why):
            read(message, home, passphrase)
    with private_home(keys.locked) as home:
        assert read(message, home, "word") == TEXT


def test_a_passphrase_of_the_message(home: Path, keys: Keys) -> None:
    message = gpg(keys.work, "-c", data=TEXT, passphrase="wörd")
    assert read(message, home, "wörd") == TEXT
    with pytest.raises(Undecryptable, match="passphrase is wrong"):
        read(message, home, "word")
    with pytest.raises(Undecryptable, match="needs a passphrase"):
        read(message, home)


def test_no_key_lists_the_recipients(keys: Keys, home: Path) -> None:
    listing = gpg(keys.work, "--list-keys", "--with-colons", "other").decode()
    [subkey] = re.findall(r"sub:.*?:.*?:.*?:(\w{16}):", listing)
    with pytest.raises(Undecryptable, match=rf"m\.pgp: no key of ours fits; it is encrypted to {subkey}"):
        read(keys.lock(to=("other",)), home)


@pytest.mark.parametrize("options", [(), ("-z", "0"), ("--armor", "-z", "0")])
def test_a_flipped_bit_anywhere(keys: Keys, home: Path, options: tuple[str, ...]) -> None:
    message = keys.lock(*options)
    for part in (0.1, 0.5, 0.999):
        changed = bytearray(message)
        at = int(len(changed) * part)
        changed[at] = changed[at] ^ 1 if changed[at] not in b"\n=" else ord("A")
        with pytest.raises(Undecryptable, match=r"m\.pgp: .*(tampered|damaged)"):
            read(bytes(changed), home)


@pytest.mark.parametrize("options", [(), ("-z", "0"), ("--armor",)])
def test_a_cut_anywhere(keys: Keys, home: Path, options: tuple[str, ...]) -> None:
    message = keys.lock(*options)
    whole = len(message) - (100 if "--armor" in options else 1)  # the armor's last line may go
    for cut in (0, 1, 50, 300, len(message) // 2, whole - 20, whole):
        with pytest.raises(Undecryptable):
            read(message[:cut], home)


def test_what_is_added_is_noticed(keys: Keys, home: Path) -> None:
    message = keys.lock()
    for added in (b"garbage", bytes(100), message):
        with pytest.raises(Undecryptable):
            read(message + added, home)


def test_what_is_not_encrypted_is_refused(keys: Keys, home: Path) -> None:
    signed = gpg(keys.work, "-u", "ours", "-s", data=TEXT)
    with pytest.raises(Undecryptable, match="signed or compressed but not encrypted"):
        read(signed, home)
    with pytest.raises(Undecryptable, match="no PGP message"):
        read(b"id,name\n1,a\n", home)


def test_the_signer(keys: Keys) -> None:
    signed, unsigned = keys.lock("-s", "-u", "other"), keys.lock()
    ours, other = keys.fingerprints["ours"], keys.fingerprints["other"]
    with private_home(keys.ours, keys.other_public) as home:
        assert read(signed, home, signer=other) == TEXT
        for message, signer in ((unsigned, other), (signed, ours)):
            with pytest.raises(Undecryptable, match=f"not signed by {signer}"):
                read(message, home, signer=signer)
    with private_home(keys.ours) as home, pytest.raises(Undecryptable, match="not signed by"):
        read(signed, home, signer=other)  # its key is not there to check


def test_only_the_read_at_the_end_raises_and_again_and_again(keys: Keys, home: Path) -> None:
    changed = bytearray(keys.lock("-z", "0"))
    changed[-10] ^= 1
    with gpg_stream(io.BytesIO(bytes(changed)), home) as plain:
        assert plain.read(1 << 16) == TEXT[: 1 << 16]
        for _ in range(2):
            with pytest.raises(Undecryptable):
                drain(plain)


def gpg_children() -> list[int]:
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit()
        and (entry / "stat").exists()
        and (entry / "stat").read_text().split()[1:4:2] == ["(gpg)", str(os.getpid())]
    ]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds gpg in /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_gpg_killed_is_not_bad_data(keys: Keys, home: Path, number: signal.Signals) -> None:
    with gpg_stream(io.BytesIO(keys.lock()), home, name="m.pgp") as plain:
        plain.read(10)
        [pid] = gpg_children()
        os.kill(pid, number)
        with pytest.raises(Interrupted, match=rf"m\.pgp: gpg was killed by signal {int(number)}"):
            drain(plain)


class Broken(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 500_000:
            raise Unreachable("the server")
        return super().read(size)


def test_an_error_of_the_source_is_its_own(keys: Keys, home: Path) -> None:
    with pytest.raises(Unreachable):
        read(Broken(keys.lock("-z", "0")), home)


def test_leaving_early(keys: Keys, home: Path) -> None:
    started = time.monotonic()
    with gpg_stream(io.BytesIO(keys.lock() * 3), home) as plain:
        plain.read(1)
    with pytest.raises(ZeroDivisionError), gpg_stream(io.BytesIO(keys.lock()), home):
        1 / 0  # noqa: B018
    assert time.monotonic() - started < 10


def test_no_passphrase_in_an_argument(keys: Keys, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    popen = subprocess.Popen

    def spy(command: list[str], *args: Any, **options: Any) -> Any:
        seen.append(command)
        return popen(command, *args, **options)

    monkeypatch.setattr(subprocess, "Popen", spy)
    with decrypter(home, "zebra")(io.BytesIO(keys.lock()), "m.pgp") as plain:
        assert plain.read() == TEXT
    assert seen
    assert not any("zebra" in word for command in seen for word in command)


def test_no_gpg(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Misconfigured, match="gpg is not installed"):
        read(b"", home)


def test_the_home_of_a_key_block(keys: Keys) -> None:
    """Its passphrase is in the home; none is given."""
    message = keys.lock(to=("locked",))
    with PgpKey.model_validate({"private_key": keys.locked, "passphrase": "word"}).home() as home:
        assert read(message, home) == TEXT
    for passphrase in ("wrong", None):
        with (
            PgpKey.model_validate({"private_key": keys.locked, "passphrase": passphrase}).home() as home,
            pytest.raises(Undecryptable, match="passphrase of its key is wrong"),
        ):
            read(message, home)
