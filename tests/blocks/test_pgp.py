"""The private home of a PGP key, with the real GnuPG."""

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from blocks.errors import Misconfigured
from blocks.pgp import PgpKey
from tests import servers
from tests.servers import GpgKey


def pgp_key(private_key: str, passphrase: str | None) -> PgpKey:
    secret = None if passphrase is None else SecretStr(passphrase)
    return PgpKey(private_key=SecretStr(private_key), passphrase=secret)


@pytest.fixture
def block(gpg_key: GpgKey) -> PgpKey:
    return pgp_key(gpg_key.private_key, gpg_key.passphrase)


def encrypt(key: GpgKey, folder: Path, data: bytes) -> Path:
    """As a party does it, with the public key alone."""
    home = folder / "party"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--no-tty", "--quiet", "--trust-model", "always"]
    subprocess.run([*gpg, "--import"], input=key.public_key.encode(), check=True)
    target = folder / "file.pgp"
    subprocess.run([*gpg, "-o", target, "--recipient", key.fingerprint, "--encrypt"], input=data, check=True)
    return target


def test_a_file_for_the_key_decrypts_without_another_word(block: PgpKey, gpg_key: GpgKey, tmp_path: Path) -> None:
    file = encrypt(gpg_key, tmp_path, b"a,b\n1,2\n")
    with block.home() as home:
        done = subprocess.run(
            ["gpg", "--homedir", home, "--batch", "--no-tty", "--decrypt", file], capture_output=True, check=True
        )
    assert done.stdout == b"a,b\n1,2\n"


def test_the_home_is_private_and_gone_afterwards(block: PgpKey) -> None:
    with block.home() as home:
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert home.is_relative_to("/dev/shm") == os.access("/dev/shm", os.W_OK)
        subprocess.run(["gpg-connect-agent", "--homedir", home, "/bye"], check=True, capture_output=True)
        asked = ["gpg-connect-agent", "--homedir", str(home), "--no-autostart", "GETINFO pid", "/bye"]
        agent = int(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()[1])
        assert alive(agent)
    assert not home.exists()
    deadline = time.monotonic() + 10  # the agent says yes and then ends
    while alive(agent) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(agent)


def test_nothing_of_the_secrets_stays_on_the_disk(block: PgpKey, tmp_path: Path) -> None:
    with block.home() as home:
        assert block.passphrase
        kept = home.parent / f"{home.name}-link"
        os.link(home / "passphrase", kept)  # the bytes that removing alone would leave
        try:
            assert kept.read_text() == block.passphrase.get_secret_value()
        except BaseException:
            kept.unlink()
            raise
    try:
        assert set(kept.read_bytes()) == {0}
    finally:
        kept.unlink()


KILLED = """
import os, signal, sys
from blocks.pgp import PgpKey
with PgpKey.model_validate({"private_key": sys.stdin.read(), "passphrase": sys.argv[1]}).home() as home:
    print(home, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_home_of_a_process_that_was_killed_goes_with_the_next(block: PgpKey, gpg_key: GpgKey) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, gpg_key.passphrase],
        input=gpg_key.private_key,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    left = Path(done.stdout.strip())
    assert done.returncode == -9
    assert (left / "passphrase").exists()
    with block.home():
        assert left.exists()  # it may be just being made
    old = time.time() - 3600
    with block.home() as lives:
        for home in (left, lives):
            os.utime(home, (old, old))
        with block.home():
            assert not left.exists()
            assert (lives / "passphrase").exists()  # another thread's


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_home_is_gone_after_an_error(block: PgpKey) -> None:
    with pytest.raises(ZeroDivisionError), block.home() as home:
        raise ZeroDivisionError
    assert not home.exists()


def test_check_passes(block: PgpKey) -> None:
    block.check()


def test_a_key_without_a_passphrase(tmp_path: Path) -> None:
    bare = servers.gpg_key(tmp_path, passphrase="").private_key
    pgp_key(bare, None).check()
    pgp_key(bare, "superfluous").check()


def test_a_passphrase_alone(tmp_path: Path) -> None:
    block = PgpKey(passphrase=SecretStr("word"))
    block.check()
    gpg = ["gpg", "--homedir", str(tmp_path), "--batch", "--no-tty", "--quiet", "--pinentry-mode", "loopback"]
    tmp_path.chmod(0o700)
    locked = subprocess.run([*gpg, "--passphrase", "word", "-c"], input=b"a,b", capture_output=True, check=True).stdout
    with block.home() as home:
        opened = subprocess.run(
            ["gpg", "--homedir", home, "--batch", "-d"], input=locked, capture_output=True, check=True
        )
    assert opened.stdout == b"a,b"


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (PgpKey(), "holds neither a private key nor a passphrase"),
        (PgpKey(passphrase=SecretStr("word"), signers="hello"), "The signers' keys do not import"),
    ],
)
def test_check_says_what_is_missing(block: PgpKey, words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        block.check()


def test_signers_are_known_to_the_home(gpg_key: GpgKey) -> None:
    with PgpKey(passphrase=SecretStr("word"), signers=gpg_key.public_key).home() as home:
        listed = subprocess.run(
            ["gpg", "--homedir", home, "--batch", "--list-keys", "--with-colons"], capture_output=True, check=True
        )
    assert gpg_key.fingerprint in listed.stdout.decode()


@pytest.mark.parametrize(
    ("key", "passphrase", "words"),
    [
        ("private", "not this one", "passphrase of the PGP key is wrong"),
        ("private", None, "passphrase of the PGP key is missing"),
        ("public", None, "does not import as a private key"),
        ("nonsense", None, "does not import as a private key"),
        ("cut", None, "does not import as a private key"),
    ],
)
def test_check_says_what_is_wrong(gpg_key: GpgKey, key: str, passphrase: str | None, words: str) -> None:
    keys = {
        "private": gpg_key.private_key,
        "public": gpg_key.public_key,
        "nonsense": "hello",
        "cut": gpg_key.private_key[:400],
    }
    with pytest.raises(Misconfigured, match=words) as caught:
        pgp_key(keys[key], passphrase).check()
    assert gpg_key.passphrase not in str(caught.value)
