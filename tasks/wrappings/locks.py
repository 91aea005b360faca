"""What a password opens: ZipCrypto and WinZip's AES in a zip, AES in a 7z."""

import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from pydantic import SecretStr

from spark.errors import Damaged, Undecryptable
from tasks.wrappings.streams import CHUNK, as_chunks, read

AES_BLOCK = 16
ZIPCRYPTO_HEADER = 12
"""Bytes of noise before the data; the last one is known and so tells most wrong passwords (APPNOTE 6.1.6)."""

_AES_TAG = 10
_AES_ROUNDS = 1000  # of PBKDF2 with SHA-1 (WinZip, "AES Encryption Information", section III)

SEVENZIP_ROUNDS = 24
"""The highest power of two of SHA-256 rounds that 7-Zip takes; 19 is what it writes."""


def spellings(passwords: Sequence[SecretStr]) -> list[bytes]:
    """The passwords in every encoding that zip programs use for them; a zip does not say which."""
    found: dict[bytes, None] = {}
    for encoding in ("utf-8", "cp437", "cp1252"):
        for password in passwords:
            try:
                found[password.get_secret_value().encode(encoding)] = None
            except UnicodeEncodeError:
                continue
    return list(found)


def zipcrypto_fits(header: bytes, password: bytes, check: int) -> bool:
    """Whether a password may be right: of 256 wrong ones, one looks so."""
    opened = _zipcrypto(password)(header)
    return len(opened) == ZIPCRYPTO_HEADER and opened[-1] == check


def _zipcrypto(password: bytes) -> Callable[[bytes], bytes]:
    """The only compiled one to be had: 45 MB/s, against 1.1 of zipfile's own. Its module is private, hence a test."""
    from stream_unzip._zipcrypto import zipcrypto_decryptor  # type: ignore[import-not-found]  # 60 ms, by cffi

    decrypt: Callable[[bytes], bytes] = zipcrypto_decryptor(password)
    return decrypt


def zipcrypto(stream: BinaryIO, password: bytes) -> Iterator[bytes]:
    """Open ZipCrypto. It has no integrity check: only the member's CRC-32 tells."""
    decrypt = _zipcrypto(password)
    decrypt(read(stream, ZIPCRYPTO_HEADER))
    yield from map(decrypt, as_chunks(stream))


def aes_header(strength: int) -> int:
    """Bytes of salt and password check before the data; strength 1 to 3 is AES-128 to AES-256."""
    return 4 + 4 * strength + 2


def _aes_keys(header: bytes, password: bytes, strength: int) -> tuple[bytes, bytes, bytes]:
    size = 8 + 8 * strength
    made = hashlib.pbkdf2_hmac("sha1", password, header[:-2], _AES_ROUNDS, 2 * size + 2)
    return made[:size], made[size:-2], made[-2:]


def aes_fits(header: bytes, password: bytes, strength: int) -> bool:
    """Whether a password may be right: of 65,536 wrong ones, one looks so."""
    return len(header) == aes_header(strength) and _aes_keys(header, password, strength)[-1] == header[-2:]


def aes(stream: BinaryIO, size: int, password: bytes, strength: int, where: str) -> Iterator[bytes]:
    """Open WinZip's AES over the `size` bytes in `stream`; its end is its authentication code.

    Raises `Undecryptable` where the code says that it was tampered with, `Damaged` where it is cut off.
    """
    header = read(stream, aes_header(strength))
    key, mac_key, _ = _aes_keys(header, password, strength)
    from Crypto.Cipher import AES  # loads cffi: a third of the time in which `inlet` starts
    from Crypto.Util import Counter

    cipher = AES.new(key, AES.MODE_CTR, counter=Counter.new(128, initial_value=1, little_endian=True))
    mac = hmac.new(mac_key, digestmod="sha1")
    left = size - len(header) - _AES_TAG
    while left > 0:
        chunk = stream.read(min(left, CHUNK))
        if not chunk:
            raise Damaged(f"{where}: cut off {left:,} bytes before its authentication code")
        left -= len(chunk)
        mac.update(chunk)
        yield cipher.decrypt(chunk)
    if left < 0 or not hmac.compare_digest(mac.digest()[:_AES_TAG], read(stream, _AES_TAG)):
        raise Undecryptable(f"{where}: the integrity check failed: it was tampered with or damaged")


def sevenzip_key(password: str, salt: bytes, power: int) -> bytes:
    """The AES-256 key of a 7z: SHA-256 over 2**power times salt, password in UTF-16 and a counter (7zAes.cpp)."""
    piece = salt + password.encode("utf-16-le", "surrogatepass")
    if power == 0x3F:  # the password itself
        return (piece + bytes(32))[:32]
    digest = hashlib.sha256()
    batch = min(power, 10)
    for start in range(0, 1 << power, 1 << batch):
        digest.update(b"".join(piece + i.to_bytes(8, "little") for i in range(start, start + (1 << batch))))
    return digest.digest()


def cbc(stream: BinaryIO, key: bytes, vector: bytes) -> Iterator[bytes]:
    """Open AES-256 in CBC mode, the last block padded with zeros where it is cut; there is no integrity check."""
    from Crypto.Cipher import AES

    cipher = AES.new(key, AES.MODE_CBC, vector.ljust(AES_BLOCK, b"\0"))
    while chunk := read(stream, CHUNK):
        yield cipher.decrypt(chunk + bytes(-len(chunk) % AES_BLOCK))
