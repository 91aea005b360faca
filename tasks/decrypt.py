"""decrypt: a drop's PGP messages to plaintext, each proved whole; what is inside stays wrapped."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from blocks.errors import Misconfigured
from blocks.lake import Lake, sayings
from blocks.pgp import PgpKey
from tasks.gpg import Decrypt, decrypter
from tasks.opened import NOT_KEPT, Opened, OpenedFile, files, staged_folder, unknown
from tasks.run import Step, current
from tasks.source import Source
from tasks.spool import copy, open_file
from tasks.tracked import tracked
from tasks.transfer import Landed
from tasks.wrappings.names import unwrapped


@tracked("decrypt {landed.drop}")
def decrypt(landed: Landed | Opened) -> Opened:
    """Decrypt every file of a drop; one that the source ignores stays as it is."""
    run = current()
    if run.dry is not None:
        size = sum(file.size for file in files(landed))
        run.dry.append(Step(drop=landed.drop.key, stage="decrypt", why=NOT_KEPT, bytes=size))
        return unknown(landed)
    with keys(run.source) as decrypt:
        if decrypt is None:
            raise Misconfigured(f"the source {run.source.slug} names no PGP key")
        folder = f"{staged_folder(run.lake, landed.drop, run.id)}/decrypted"
        opened = [
            file
            if run.source.ignored(file.names[-1])
            else decrypt_file(file, run.lake, f"{folder}/{number:06}", decrypt)
            for number, file in enumerate(files(landed))
        ]
    return Opened(drop=landed.drop, files=tuple(opened))


def decrypt_file(file: OpenedFile, lake: Lake, path: str, decrypt: Decrypt) -> OpenedFile:
    """Stage a message's plaintext at `path`, as `lake.fs()` wants it, and answer once it is proved whole.

    Raises `Undecryptable`, and leaves nothing at `path`, for what is no PGP message and what `Decrypt` refuses; and
    `PlaceError`.
    """
    fs, digest = lake.fs(), hashlib.sha256()
    with (
        sayings(file.name),
        open_file(fs, lake.path(*file.path.split("/"))) as stream,
        decrypt(stream, file.name) as plain,
    ):
        size = copy(plain, fs, path, digest)
    return OpenedFile(
        names=(*file.names, unwrapped(file.names[-1], "pgp")),
        path=path.removeprefix(f"{lake.path()}/"),
        size=size,
        sha256=digest.hexdigest(),
        of=file.of,
    )


@contextmanager
def keys(source: Source) -> Iterator[Decrypt | None]:
    """How the source's PGP messages are opened, in a key ring that is gone afterwards; None where it names no key.

    Raises `Misconfigured` where there is no such block, or its keys do not import.
    """
    if source.pgp_key is None:
        yield None
        return
    try:
        key = PgpKey.load(source.pgp_key)
    except ValueError as error:
        raise Misconfigured(f"there is no PGP key block named {source.pgp_key!r}") from error
    with key.home() as home:  # type: ignore[union-attr]  # Prefect's load is typed as sync or async
        yield decrypter(home, signer=source.pgp_signer)
