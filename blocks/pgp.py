"""Keys and passphrases of OpenPGP, and a GnuPG that has them."""

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from blocks.errors import Misconfigured


class PgpKey(Block):
    """A private OpenPGP key that a party encrypts files for, or the passphrase that it encrypts them by.

    Example:
        Decrypt a file:
        ```python
        import subprocess

        from blocks.pgp import PgpKey

        key = PgpKey.load("BLOCK_NAME")
        with key.home() as home:
            subprocess.run(["gpg", "--homedir", home, "--batch", "--no-tty", "--decrypt", "file.pgp"], check=True)
        ```
    """

    _block_type_name = "PGP key"
    _block_type_slug = "pgp-key"
    _description = "A private OpenPGP key that a party encrypts files for."

    private_key: SecretStr | None = Field(
        default=None,
        description="Private key, armored (-----BEGIN PGP PRIVATE KEY BLOCK-----); several while keys change. "
        "Empty where files are encrypted by a passphrase alone.",
    )
    passphrase: SecretStr | None = Field(
        default=None,
        description="Passphrase of the private key, if it has one, and of files encrypted by a passphrase.",
    )
    signers: str | None = Field(
        default=None,
        description="Public keys, armored, of those who sign files; a source says whose signature it wants.",
    )

    @contextmanager
    def home(self) -> Iterator[Path]:
        """A GNUPGHOME of its own, which only this user can read and which holds the keys; wiped and gone at the exit.

        It is in memory (/dev/shm) where there is such a place. `gpg --homedir <home> --batch --decrypt` needs no
        more: the passphrase is taken from the home. Homes of processes that were killed are removed first. Raises
        `Misconfigured` where a key does not import, or there is neither a key nor a passphrase.
        """
        if not shutil.which("gpg"):
            raise Misconfigured("GnuPG (gpg) is not installed where this runs")
        if not self.private_key and not self.passphrase:
            raise Misconfigured("The PGP key block holds neither a private key nor a passphrase")
        shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()  # noqa: S108  # it is made 0700
        _sweep(Path(shm))
        home = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=shm))
        with _locked(home):
            try:
                self._fill(home)
                yield home
            finally:
                _wipe(home)

    def _fill(self, home: Path) -> None:
        secret = home / "passphrase"
        secret.touch(mode=0o600)
        secret.write_text(self.passphrase.get_secret_value() if self.passphrase else "")
        (home / "gpg.conf").write_text(f"pinentry-mode loopback\npassphrase-file {secret}\n")
        if self.private_key:
            said = _gpg(home, "--import", give=self.private_key.get_secret_value())
            if not _gpg(home, "--list-secret-keys", "--with-colons").stdout:
                raise Misconfigured(f"The PGP key does not import as a private key ({_why(said)})")
        if self.signers:
            said = _gpg(home, "--status-fd", "1", "--import", give=self.signers)
            if "[GNUPG:] IMPORT_OK" not in said.stdout:
                raise Misconfigured(f"The signers' keys do not import ({_why(said)})")

    def check(self) -> None:
        """Raise `Misconfigured` that says in one sentence what is wrong, or return."""
        with self.home() as home:
            if not self.private_key:
                return
            # Unlocks every secret key and subkey, whatever it may be used for and even if it has expired.
            said = _gpg(home, "--export-secret-keys")
        if said.returncode:
            trouble = "is wrong" if self.passphrase else "is missing"
            raise Misconfigured(f"The passphrase of the PGP key {trouble}")


_PREFIX = "inlet-gpg-"
_LOCK = "inlet.lock"
_YOUNG = 60  # seconds


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Show that the home is in use: the kernel takes this lock back when the process ends, however it ends."""
    with (home / _LOCK).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sweep(folder: Path) -> None:
    """Wipe homes whose process was killed: nobody holds their lock, and they are too old to be just being made."""
    for home in folder.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another user's, or gone meanwhile
            if home.stat().st_uid != os.getuid() or time.time() - home.stat().st_mtime < _YOUNG:
                continue
            with (home / _LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _wipe(home)


def _wipe(home: Path) -> None:
    """End gpg's servers, then overwrite all files and remove them: a disk keeps what is only removed."""
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False, capture_output=True)
    for path in home.rglob("*"):
        with suppress(OSError):  # sockets, and what the agent itself removes
            if path.is_file() and not path.is_symlink():
                with path.open("r+b") as file:
                    file.write(bytes(path.stat().st_size))
                    file.flush()
                    os.fsync(file.fileno())
    shutil.rmtree(home, ignore_errors=True)


def _why(said: "subprocess.CompletedProcess[str]") -> str:
    """The last thing that gpg said."""
    return next(iter(reversed(said.stderr.strip().splitlines())), "it holds no key")


def _gpg(home: Path, *arguments: str, give: str = "") -> "subprocess.CompletedProcess[str]":
    command = ["gpg", "--homedir", str(home), "--batch", "--no-tty", "--quiet", *arguments]
    return subprocess.run(command, input=give, capture_output=True, check=False, text=True, errors="replace")
