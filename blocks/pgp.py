"""A private OpenPGP key, and a GnuPG that has it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from blocks.errors import Misconfigured


class PgpKey(Block):
    """A private OpenPGP key that a party encrypts files for.

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

    private_key: SecretStr = Field(
        description="Private key, armored (-----BEGIN PGP PRIVATE KEY BLOCK-----); several while keys change."
    )
    passphrase: SecretStr | None = Field(default=None, description="Passphrase of the private key, if it has one.")

    @contextmanager
    def home(self) -> Iterator[Path]:
        """A GNUPGHOME of its own, which only this user can read and which holds the key; gone at the exit.

        It is in memory (/dev/shm) where there is such a place. `gpg --homedir <home> --batch --decrypt` needs no
        more: the passphrase is taken from the home. Raises `Misconfigured` where the key does not import.
        """
        if not shutil.which("gpg"):
            raise Misconfigured("GnuPG (gpg) is not installed where this runs")
        shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  # mkdtemp makes it 0700
        home = Path(tempfile.mkdtemp(prefix="inlet-gpg-", dir=shm))
        try:
            secret = home / "passphrase"
            secret.touch(mode=0o600)
            secret.write_text(self.passphrase.get_secret_value() if self.passphrase else "")
            (home / "gpg.conf").write_text(f"pinentry-mode loopback\npassphrase-file {secret}\n")
            said = _gpg(home, "--import", give=self.private_key.get_secret_value())
            if not _gpg(home, "--list-secret-keys", "--with-colons").stdout:
                last = said.stderr.strip().splitlines()[-1:] or ["it holds no key"]
                raise Misconfigured(f"The PGP key does not import as a private key ({last[0]})")
            yield home
        finally:
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False, capture_output=True)
            shutil.rmtree(home, ignore_errors=True)

    def check(self) -> None:
        """Raise `Misconfigured` that says in one sentence what is wrong, or return."""
        with self.home() as home:
            # Unlocks every secret key and subkey, whatever it may be used for and even if it has expired.
            said = _gpg(home, "--export-secret-keys")
        if said.returncode:
            trouble = "is wrong" if self.passphrase else "is missing"
            raise Misconfigured(f"The passphrase of the PGP key {trouble}")


def _gpg(home: Path, *arguments: str, give: str = "") -> "subprocess.CompletedProcess[str]":
    command = ["gpg", "--homedir", str(home), "--batch", "--no-tty", "--quiet", *arguments]
    return subprocess.run(command, input=give, capture_output=True, check=False, text=True, errors="replace")
