"""PGP by gpg itself: what it proves, what it refuses, and what happens when it dies; and the task over it."""

import hashlib
import io
import os
import re
import signal
import struct
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
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESOCB3
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from blocks.errors import Interrupted, Misconfigured, NotThere, Unreachable
from blocks.lake import Lake
from blocks.pgp import PgpKey
from spark.errors import Undecryptable
from tasks.decrypt import decrypt_file
from tasks.gpg import Decrypt, decrypter, gpg_stream
from tasks.opened import OpenedFile
from tasks.wrappings import sniff

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
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("gpg-")] == []
    assert [child for child in psutil.Process().children() if child.name() == "gpg"] == []  # zombies would be there


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


def test_to_a_key_or_by_a_passphrase(keys: Keys, home: Path) -> None:
    """Either opens it; the passphrase is asked for only where no key fits."""
    message = gpg(keys.work, "-r", "ours", "-c", "-e", data=TEXT, passphrase="word")
    assert read(message, home) == TEXT
    with private_home() as empty:
        assert read(message, empty, "word") == TEXT


def packet(tag: int, body: bytes) -> bytes:
    """RFC 4880, 4.2.2: a new-format packet."""
    size = bytes([len(body)]) if len(body) < 192 else b"\xff" + struct.pack(">I", len(body))
    return bytes([0xC0 | tag]) + size + body


def aead(data: bytes, passphrase: bytes, chunk: int = 6) -> bytes:
    """A message as GnuPG 2.3 makes it, which 2.2 only reads: AES-256 in OCB, chunks of 2^(6 + chunk) bytes.

    RFC 4880bis-10, 5.16: packet 20; its key is the hash of a salt and the passphrase (5.3, 3.7.1.2).
    """
    salt, iv, size = os.urandom(8), os.urandom(15), 1 << (chunk + 6)
    settings = bytes([1, 9, 2, chunk])
    cipher = AESOCB3(hashlib.sha256(salt + passphrase).digest())

    def seal(text: bytes, number: int, total: bytes = b"") -> bytes:
        counted = struct.pack(">Q", number)
        nonce = iv[:7] + bytes(a ^ b for a, b in zip(iv[7:], counted, strict=True))
        return cipher.encrypt(nonce, text, b"\xd4" + settings + counted + total)

    plain = packet(11, b"b\0" + bytes(4) + data)
    chunks = [plain[i : i + size] for i in range(0, len(plain), size)]
    sealed = [seal(text, number) for number, text in enumerate(chunks)]
    last = seal(b"", len(chunks), struct.pack(">Q", len(plain)))
    return packet(3, bytes([4, 9, 1, 8]) + salt) + packet(20, settings + iv + b"".join([*sealed, last]))


def test_aead(home: Path) -> None:
    """gpg 2.2 says DECRYPTION_OKAY and GOODMDC of a flipped bit here, and exits with 2."""
    message = aead(TEXT[:50_000], b"word")
    assert sniff(message) == "pgp"
    assert read(message, home, "word") == TEXT[:50_000]
    for at in (100, len(message) // 2, len(message) - 1):
        changed = bytearray(message)
        changed[at] ^= 1
        with pytest.raises(Undecryptable, match=r"m\.pgp: "):
            read(bytes(changed), home, "word")
    sealed = (1 << 12) + 16  # a chunk and its tag
    for cut in (1, 16, 17, 16 + sealed, len(message) // 2, len(message) - 100):
        with pytest.raises(Undecryptable):
            read(message[:-cut], home, "word")
    head, body = message[:14], message[20:]
    assert message == head + packet(20, body)
    with pytest.raises(Undecryptable):  # whole chunks, and lengths that agree
        read(head + packet(20, body[: -16 - len(body[19:-16]) % sealed]), home, "word")


def unprotected(data: bytes, passphrase: bytes) -> bytes:
    """A message as before 2000, which anybody can change unseen: AES-256 without an MDC (RFC 4880, 5.7 and 13.9)."""
    salt, prefix = os.urandom(8), os.urandom(16)
    key = AES(hashlib.sha256(salt + passphrase).digest())
    first = Cipher(key, CFB(bytes(16))).encryptor().update(prefix + prefix[-2:])
    rest = Cipher(key, CFB(first[2:])).encryptor().update(packet(11, b"b\0" + bytes(4) + data))
    return packet(3, bytes([4, 9, 1, 8]) + salt) + packet(9, first + rest)


def test_a_message_without_integrity_protection(home: Path) -> None:
    with pytest.raises(Undecryptable, match=r"m\.pgp: "):
        read(unprotected(TEXT, b"word"), home, "word")
    command = [
        "gpg",
        "--homedir",
        str(home),
        "--batch",
        "--quiet",
        "--pinentry-mode",
        "loopback",
        "--passphrase",
        "word",
    ]
    command += ["--passphrase", "word", "-d"]
    done = subprocess.run(command, input=unprotected(TEXT, b"word"), capture_output=True, check=False)
    assert done.stdout == TEXT  # the message is right


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


def test_what_is_added_to_an_armored_message_is_noticed(keys: Keys, home: Path) -> None:
    """gpg passes over it in silence."""
    for text in (b"a,b\n1,2\n", TEXT):  # one block of what is fed to gpg, and several
        message = keys.lock("--armor", data=text)
        for blank in (b"\n\n", b"\r\n  \n"):
            assert read(message + blank, home) == text
            assert read(message.rstrip() + blank, home) == text
        for added in (b"garbage", b"\n\ngarbage", bytes(100), message):
            with pytest.raises(Undecryptable, match=r"m\.pgp: bytes after its end, before byte "):
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
        for spelled in (other, other.lower(), " ".join(re.findall("....", other))):
            assert read(signed, home, signer=spelled) == TEXT
        for message, signer in ((unsigned, other), (signed, ours)):
            with pytest.raises(Undecryptable, match=f"not signed by {signer}"):
                read(message, home, signer=signer)
        with pytest.raises(Undecryptable):
            read(signed[:-1] + bytes([signed[-1] ^ 1]), home, signer=other)
    with private_home(keys.ours) as home, pytest.raises(Undecryptable, match="that public key is missing"):
        read(signed, home, signer=other)


def test_any_signer_whose_key_we_have(keys: Keys) -> None:
    signed, unsigned = keys.lock("-s", "-u", "other"), keys.lock()
    with private_home(keys.ours, keys.other_public) as home:
        assert read(signed, home, signer="any") == TEXT
        for message in (unsigned, signed[:-1] + bytes([signed[-1] ^ 1])):
            with pytest.raises(Undecryptable):
                read(message, home, signer="any")
        with pytest.raises(Undecryptable, match="not signed by any of our signers"):
            read(unsigned, home, signer="any")
    with private_home(keys.ours) as home, pytest.raises(Undecryptable, match="that public key is missing"):
        read(signed, home, signer="any")


def test_the_signer_beside_another(keys: Keys) -> None:
    signed = keys.lock("-s", "-u", "other", "-u", "locked", "--passphrase", "word")
    other, locked = keys.fingerprints["other"], keys.fingerprints["locked"]
    with private_home(keys.ours, keys.other_public, gpg(keys.work, "--armor", "--export", "locked").decode()) as home:
        assert read(signed, home, signer=other) == read(signed, home, signer=locked) == TEXT
    with (
        private_home(keys.ours, keys.other_public) as home,
        pytest.raises(Undecryptable, match=f"beside the signature of {other} there is one that cannot be checked"),
    ):
        read(signed, home, signer=other)


def test_a_signer_whose_key_has_expired(keys: Keys) -> None:
    with private_home(keys.ours) as home:
        past = ("--faked-system-time", "20200101T000000!")
        gpg(home, *past, "--quick-gen-key", "former", "default", "default", "1d")
        former = re.findall(r"pub:.*?\nfpr:+(\w+):", gpg(home, "--list-keys", "--with-colons", "former").decode())[0]
        # "ours" is not yet made then
        late = ("--ignore-time-conflict", "--ignore-valid-from")
        signed = gpg(home, *past, *late, "-r", "ours", "-s", "-u", "former", "-e", data=TEXT)
        with pytest.raises(Undecryptable, match=f"signature of {former}, or its key, has expired or was revoked"):
            read(signed, home, signer=former)
        assert read(signed, home) == TEXT


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
    by_passphrase = gpg(keys.work, "-c", data=TEXT, passphrase="word")
    with PgpKey.model_validate({"private_key": keys.locked, "passphrase": "word"}).home() as home:
        assert read(message, home) == read(by_passphrase, home) == TEXT
    with PgpKey.model_validate({"passphrase": "word"}).home() as home:
        assert read(by_passphrase, home) == TEXT
        with pytest.raises(Undecryptable, match="no key of ours fits"):
            read(message, home)
    for passphrase in ("wrong", None):
        with (
            PgpKey.model_validate({"private_key": keys.locked, "passphrase": passphrase}).home() as home,
            pytest.raises(Undecryptable, match="passphrase of its key is wrong"),
        ):
            read(message, home)
    with (
        PgpKey.model_validate({"passphrase": "wrong"}).home() as home,
        pytest.raises(Undecryptable, match="passphrase is wrong"),
    ):
        read(by_passphrase, home)


def test_the_home_of_a_key_block_with_a_signer(keys: Keys) -> None:
    block = PgpKey.model_validate({"private_key": keys.ours, "signers": keys.other_public})
    with block.home() as home:
        assert read(keys.lock("-s", "-u", "other"), home, signer=keys.fingerprints["other"]) == TEXT
        with pytest.raises(Undecryptable, match="not signed by"):
            read(keys.lock(), home, signer=keys.fingerprints["other"])


def landed(lake: Lake, name: str, data: bytes) -> OpenedFile:
    path = f"landed/party/1/r1/{name}"
    lake.fs().pipe_file(lake.path(*path.split("/")), data)
    return OpenedFile(names=(name,), path=path, size=len(data), sha256="", of="feed")


@pytest.fixture
def ours(home: Path) -> Decrypt:
    return decrypter(home)


@pytest.mark.parametrize(("name", "inner"), [("a.csv.pgp", "a.csv"), ("A.GPG", "A"), ("a.asc", "a"), ("a", "a")])
def test_a_file_in_the_lake(lake: Lake, keys: Keys, ours: Decrypt, name: str, inner: str) -> None:
    target = lake.path("staged", "party", "1", "run", "decrypted", "000000")
    plain = decrypt_file(landed(lake, name, keys.lock()), lake, target, ours)
    assert plain == OpenedFile(
        names=(name, inner),
        path="staged/party/1/run/decrypted/000000",
        size=len(TEXT),
        sha256=hashlib.sha256(TEXT).hexdigest(),
        of="feed",
    )
    assert lake.fs().cat_file(target) == TEXT


def test_nothing_of_a_message_that_is_not_proved_stays_in_the_lake(lake: Lake, keys: Keys, ours: Decrypt) -> None:
    message = keys.lock("-z", "0")
    target = lake.path("staged", "party", "1", "run", "decrypted", "000000")
    wrong = {"flipped": message[:-10] + bytes([message[-10] ^ 1]) + message[-9:], "cut": message[:-1], "none": b"a,b\n"}
    for name, data in wrong.items():
        with pytest.raises(Undecryptable, match=name):
            decrypt_file(landed(lake, name, data), lake, target, ours)
        assert not lake.fs().exists(target)
    missing = OpenedFile(names=("x",), path="landed/party/1/r1/x", size=0, sha256="")
    with pytest.raises(NotThere):
        decrypt_file(missing, lake, target, ours)
