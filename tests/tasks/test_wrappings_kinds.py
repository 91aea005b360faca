"""The wrappings that few parties use, each made by another program than the one that reads it."""

import io
import lzma
import os
import random
import struct
import subprocess
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import cramjam
import lz4.block  # type: ignore[import-untyped]
import lz4.frame  # type: ignore[import-untyped]
import ncompress  # type: ignore[import-untyped]
import py7zr
import pytest
import pyzipper  # type: ignore[import-untyped]
import zstandard
from inflate64 import Deflater
from pydantic import SecretStr

from blocks.archive import ArchivePassword
from blocks.errors import Interrupted
from spark.errors import Damaged, Undecryptable, UnknownWrapping, Unsafe
from tasks.wrappings import Bounds, locks, peel, sniff
from tasks.wrappings.child import piped
from tests.tasks.test_wrappings import CSV, Forward, peeled, tarred

WORD = SecretStr("wörd")


def compress(data: bytes) -> bytes:
    out = io.BytesIO()
    ncompress.compress(io.BytesIO(data), out)
    return out.getvalue()


def lz4_frame(data: bytes) -> bytes:
    return bytes(lz4.frame.compress(data, content_checksum=True, block_checksum=True))


def lz4_legacy(data: bytes) -> bytes:
    blocks = [data[at : at + (8 << 20)] for at in range(0, len(data), 8 << 20)]
    packed = [lz4.block.compress(block, store_size=False) for block in blocks]
    return b"\x02\x21\x4c\x18" + b"".join(struct.pack("<L", len(block)) + block for block in packed)


def snappy(data: bytes) -> bytes:
    return bytes(cramjam.snappy.compress(data))


def deflate64(data: bytes) -> bytes:
    deflater = Deflater()
    return bytes(deflater.deflate(data) + deflater.flush())


def zip_of(
    packed: bytes, plain: bytes, method: int, flags: int = 0, extra: bytes = b"", crc: int | None = None
) -> bytes:
    """A zip of one member `b.csv`, by hand: for methods and locks that no writer here knows."""
    crc = zlib.crc32(plain) if crc is None else crc
    common = struct.pack("<HHHHHLLLHH", 20, flags, method, 0x6000, 0x5A21, crc, len(packed), len(plain), 5, len(extra))
    local = b"PK\3\4" + common + b"b.csv" + extra + packed
    central = b"PK\1\2" + struct.pack("<H", 20) + common + struct.pack("<HHHLL", 0, 0, 0, 0, 0) + b"b.csv" + extra
    return local + central + b"PK\5\6" + struct.pack("<HHHHLLH", 0, 0, 1, 1, len(central), len(local), 0)


def zipcrypto(plain: bytes, password: bytes, check: int) -> bytes:
    """PKWARE's traditional encryption (APPNOTE 6.1), in the plainest Python."""
    keys = [0x12345678, 0x23456789, 0x34567890]

    def update(byte: int) -> None:
        keys[0] = zlib.crc32(bytes([byte]), keys[0] ^ 0xFFFFFFFF) ^ 0xFFFFFFFF
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = zlib.crc32(bytes([keys[1] >> 24]), keys[2] ^ 0xFFFFFFFF) ^ 0xFFFFFFFF

    for byte in password:
        update(byte)
    out = bytearray()
    for byte in random.Random(5).randbytes(11) + bytes([check]) + plain:
        mixed = (keys[2] | 2) & 0xFFFF
        out.append(byte ^ (mixed * (mixed ^ 1) >> 8 & 0xFF))
        update(byte)
    return bytes(out)


def zip_crypto(plain: bytes, password: bytes = b"w\xc3\xb6rd", *, descriptor: bool = False) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    packed = deflater.compress(plain) + deflater.flush()
    # the time is 0x6000: 12:00
    locked = zipcrypto(packed, password, 0x60 if descriptor else zlib.crc32(plain) >> 24)
    return zip_of(locked, plain, 8, flags=9 if descriptor else 1)


def zip_aes(plain: bytes, bits: int = 256, method: int = zipfile.ZIP_DEFLATED, version: int = 2) -> bytes:
    out = io.BytesIO()
    with pyzipper.AESZipFile(out, "w", compression=method, encryption=pyzipper.WZ_AES) as archive:
        archive.setpassword(WORD.get_secret_value().encode())
        archive.setencryption(pyzipper.WZ_AES, nbits=bits, force_wz_aes_version=version)
        archive.writestr("b.csv", plain)
    return out.getvalue()


def as_filters(given: Iterable[Any]) -> list[dict[str, Any]]:
    return [{"id": one} if isinstance(one, int) else one for one in given]


def sevenzip(
    files: dict[str, bytes], *filters: int | dict[str, Any], lock: bool = False, header: bool = False
) -> bytes:
    out = io.BytesIO()
    chain = [{"id": given} if isinstance(given, int) else given for given in filters]
    if lock:
        chain.append({"id": py7zr.FILTER_CRYPTO_AES256_SHA256})
    password = WORD.get_secret_value() if lock else None
    with py7zr.SevenZipFile(out, "w", filters=chain, password=password, header_encryption=header) as archive:
        for name, data in files.items():
            archive.writestr(data, name)
    return out.getvalue()


LZMA2: dict[str, Any] = {"id": py7zr.FILTER_LZMA2, "preset": 3}
LZMA: dict[str, Any] = {"id": py7zr.FILTER_LZMA, "preset": 3}
PPMD: dict[str, Any] = {"id": py7zr.FILTER_PPMD, "order": 6, "mem": 24}
CODERS: dict[str, list[Any]] = {
    "copy": [py7zr.FILTER_COPY],
    "lzma": [LZMA],
    "lzma2": [LZMA2],
    "delta": [{"id": py7zr.FILTER_DELTA, "dist": 3}, LZMA2],
    "x86-lzma": [py7zr.FILTER_X86, LZMA],
    "x86-lzma2": [py7zr.FILTER_X86, LZMA2],
    "x86-bzip2": [py7zr.FILTER_X86, py7zr.FILTER_BZIP2],
    "arm": [py7zr.FILTER_ARM, LZMA2],
    "armt": [py7zr.FILTER_ARMTHUMB, LZMA2],
    "ppc": [py7zr.FILTER_POWERPC, LZMA2],
    "sparc": [py7zr.FILTER_SPARC, LZMA2],
    "bzip2": [py7zr.FILTER_BZIP2],
    "deflate": [py7zr.FILTER_DEFLATE],
    "zstd": [{"id": py7zr.FILTER_ZSTD, "level": 3}],
    "ppmd": [PPMD],
}

SKIPPABLE = b"\x51\x2a\x4d\x18\x04\0\0\0abcd"
MACHINE = random.Random(3).randbytes(5000) + b"\xe8\x10\x00\x00\x00\xe9\xff\x00\x00\x00" * 2000  # what filters change

SCENARIOS: list[tuple[str, bytes, bytes]] = [
    ("a.csv.lz4", lz4_frame(CSV), CSV),
    ("a.csv.lz4", lz4_frame(CSV) + lz4_frame(b"x"), CSV + b"x"),
    ("a.csv.lz4", SKIPPABLE + lz4_frame(CSV) + SKIPPABLE + lz4_frame(CSV), CSV + CSV),
    ("a.csv.lz4", bytes(lz4.frame.compress(CSV, block_linked=False, store_size=False)), CSV),
    ("a.csv.lz4", lz4_frame(b""), b""),
    ("a.csv.lz4", lz4_legacy(CSV), CSV),
    ("a.csv.lz4", lz4_legacy(CSV * 30) + lz4_legacy(CSV), CSV * 31),
    ("a.csv.sz", snappy(CSV), CSV),
    ("a.csv.sz", snappy(CSV) + b"\xfe\x03\0\0abc" + snappy(os.urandom(0)) + snappy(MACHINE), CSV + MACHINE),
    ("a.csv.sz", snappy(random.Random(1).randbytes(300_000)), random.Random(1).randbytes(300_000)),
    ("a.csv.Z", compress(CSV), CSV),
    ("a.csv.Z", compress(MACHINE * 20), MACHINE * 20),
    ("a.csv.Z", compress(b""), b""),
    ("a.zip", zip_of(deflate64(CSV), CSV, 9), CSV),
    ("a.zip", zip_of(zstandard.compress(CSV), CSV, 93), CSV),
    ("a.zip", zip_of(lzma.compress(CSV), CSV, 95), CSV),
]


@pytest.mark.parametrize("seekable", [True, False])
@pytest.mark.parametrize(("name", "data", "plain"), SCENARIOS)
def test_scenarios(name: str, data: bytes, plain: bytes, seekable: bool) -> None:
    inner = "b.csv" if name.endswith("zip") else "a.csv"
    assert peeled(io.BytesIO(data) if seekable else Forward(data), name) == [(f"{name}/{inner}", plain)]


@pytest.mark.parametrize("seekable", [True, False])
@pytest.mark.parametrize("coders", CODERS)
def test_7z(coders: str, seekable: bool) -> None:
    """A solid one, with an empty file in it."""
    files = {"b.csv": CSV, "d/c.bin": MACHINE, "empty.csv": b"", "e.csv": b"1"}
    data = sevenzip(files, *CODERS[coders])
    found = peeled(io.BytesIO(data) if seekable else Forward(data), "a.7z")
    assert dict(found) == {f"a.7z/{name}": plain for name, plain in files.items()}


def test_7z_in_several_folders_and_with_folders() -> None:
    """Appending makes a second folder of coders; `7z` says which entries are directories in two ways."""
    out = io.BytesIO(sevenzip({"a.csv": CSV}, LZMA2))
    with py7zr.SevenZipFile(out, "a", filters=as_filters([py7zr.FILTER_BZIP2])) as archive:
        archive.writestr(b"2", "b.csv")
    assert peeled(out.getvalue(), "x.7z") == [("x.7z/a.csv", CSV), ("x.7z/b.csv", b"2")]


def test_deep_nesting_of_the_new_kinds() -> None:
    inner = tarred({"b.csv": CSV})
    data = lz4_frame(sevenzip({"x.tar.Z": compress(inner), "y.csv.sz": snappy(b"id,1\n")}, LZMA2))
    found = list(peel(Forward(data), "a.7z.lz4", spool=lambda stream: io.BytesIO(stream.read())))  # type: ignore[arg-type]
    assert [member.wrappings for member, _ in found] == [("lz4", "7z", "compress", "tar"), ("lz4", "7z", "snappy")]
    assert [plain for _, plain in peeled(data, "a.7z.lz4")] == [CSV, b"id,1\n"]


def test_sniff() -> None:
    for data, kind in [
        (lz4_frame(CSV), "lz4"), (SKIPPABLE * 2 + lz4_frame(b""), "lz4"), (lz4_legacy(CSV), "lz4"),
        (SKIPPABLE + zstandard.compress(b""), "zstd"), (SKIPPABLE, "zstd"), (snappy(b"1"), "snappy"),
        (compress(b""), "compress"), (sevenzip({}, LZMA2), "7z"), (b"\x1f\x9d,1\n", None),
    ]:  # fmt: skip
        assert sniff(data) == kind


# Passwords -------------------------------------------------------------------------------------------

LOCKED: dict[str, bytes] = {
    **{f"aes-{bits}-{method}": zip_aes(CSV, bits, method) for bits in (128, 192, 256) for method in (0, 8, 12, 14)},
    "ae-1": zip_aes(CSV, version=1),
    "zipcrypto": zip_crypto(CSV[:20_000]),
    "zipcrypto-descriptor": zip_crypto(CSV[:20_000], descriptor=True),
    "zipcrypto-cp437": zip_crypto(CSV[:20_000], b"w\x94rd"),
    "7z": sevenzip({"b.csv": CSV}, LZMA2, lock=True),
    "7z-copy": sevenzip({"b.csv": CSV}, py7zr.FILTER_COPY, lock=True),
    "7z-directory": sevenzip({"b.csv": CSV}, LZMA2, lock=True, header=True),
}


@pytest.mark.parametrize("kind", LOCKED)
def test_passwords(kind: str) -> None:
    name = "a.7z" if kind.startswith("7z") else "a.zip"
    plain = CSV[:20_000] if kind.startswith("zipcrypto") else CSV
    wrong = SecretStr("wrong")
    for words in ([WORD], [wrong, WORD], [WORD, wrong]):
        assert peeled(LOCKED[kind], name, passwords=words) == [(f"{name}/b.csv", plain)]
    with pytest.raises(Undecryptable, match="encrypted with a password and none was given"):
        peeled(LOCKED[kind], name)
    for words in ([wrong], [wrong, SecretStr("other")]):
        with pytest.raises(Undecryptable, match="password") as caught:
            peeled(LOCKED[kind], name, passwords=words)
        assert "wrong" not in str(caught.value).replace("password is wrong", "")


def test_a_block_has_the_passwords() -> None:
    block = ArchivePassword(password=SecretStr("new"), previous_password=WORD)
    assert peeled(LOCKED["ae-1"], "a.zip", passwords=block.passwords()) == [("a.zip/b.csv", CSV)]
    assert ArchivePassword(password=WORD).passwords() == (WORD,)


def test_a_wrong_password_that_looks_right_gives_way_to_the_right_one() -> None:
    """ZipCrypto tells only 255 of 256 wrong passwords."""
    data = zip_crypto(CSV[:20_000])
    header = data[35:47]
    looks_right = next(
        word for word in (f"wrong{i}" for i in range(10_000))
        if locks.zipcrypto_fits(header, word.encode(), zlib.crc32(CSV[:20_000]) >> 24)
    )  # fmt: skip
    for words in ([looks_right, "wörd"], ["wörd", looks_right]):
        found = peeled(data, "a.zip", passwords=[SecretStr(word) for word in words])
        assert found == [("a.zip/b.csv", CSV[:20_000])]
    with pytest.raises(Undecryptable, match="the password is wrong or the member is damaged"):
        peeled(data, "a.zip", passwords=[SecretStr(looks_right)])


def test_aes_in_a_zip_proves_its_bytes() -> None:
    """AE-2 leaves out the CRC-32; stored, a flipped bit shows in the authentication code alone."""
    data = bytearray(zip_aes(CSV, method=zipfile.ZIP_STORED))
    data[len(data) // 2] ^= 1
    with pytest.raises(Undecryptable, match=r"a\.zip \(zip\): member 'b\.csv': the integrity check failed"):
        peeled(bytes(data), "a.zip", passwords=[WORD])


def test_the_compiled_zipcrypto_is_that_of_zipfile() -> None:
    """It is private to stream-unzip, so that an update may change it."""
    archive = zipfile.ZipFile(io.BytesIO(zip_crypto(CSV[:20_000])))
    assert archive.read("b.csv", pwd="wörd".encode()) == CSV[:20_000]


def test_strong_encryption_is_named() -> None:
    with pytest.raises(UnknownWrapping, match="strong encryption"):
        peeled(zip_of(CSV, CSV, 0, flags=0x41), "a.zip", passwords=[WORD])


# Safety ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../a", "a/../../b", "/etc/x", "C:/x", "..\\x"])
def test_names_that_escape_from_a_7z(name: str) -> None:
    with pytest.raises(Unsafe, match="would escape"):
        peeled(renamed(sevenzip({"x" * len(name): b"1"}, py7zr.FILTER_COPY), "x" * len(name), name), "a.7z")


def directory(data: bytes) -> tuple[int, bytes]:
    """Where a 7z's directory is, and the directory, decoded."""
    offset, length = struct.unpack("<QQ", data[12:28])
    return 32 + offset, data[32 + offset : 32 + offset + length]


def with_directory(packed: bytes, changed: bytes) -> bytes:
    """A 7z of these packed streams and this directory."""
    start = struct.pack("<QQL", len(packed), len(changed), zlib.crc32(changed))
    return b"7z\xbc\xaf\x27\x1c\0\4" + struct.pack("<L", zlib.crc32(start)) + start + packed + changed


def plain_7z(files: dict[str, bytes], *filters: Any) -> tuple[bytes, bytes]:
    """The packed streams and the directory of a 7z whose directory is not encoded."""
    out = io.BytesIO()
    with py7zr.SevenZipFile(out, "w", filters=as_filters(filters)) as archive:
        archive.set_encoded_header_mode(False)
        for name, data in files.items():
            archive.writestr(data, name)
    at, found = directory(out.getvalue())
    return out.getvalue()[32:at], found


def renamed(data: bytes, old: str, new: str) -> bytes:
    packed, found = plain_7z({old: b"1"}, py7zr.FILTER_COPY)
    changed = found.replace(old.encode("utf-16-le"), new.encode("utf-16-le"))
    return with_directory(packed, changed)


def with_attributes(attributes: int) -> bytes:
    packed, found = plain_7z({"b.csv": b"1"}, py7zr.FILTER_COPY)
    at = found.index(b"\x15\x06\x01\x00") + 4
    return with_directory(packed, found[:at] + struct.pack("<L", attributes) + found[at + 4 :])


def test_links_and_devices_in_a_7z() -> None:
    assert peeled(with_attributes(0x8000 | 0o100644 << 16), "a.7z") == [("a.7z/b.csv", b"1")]
    for attributes in (0x8000 | 0o120777 << 16, 0x8000 | 0o020600 << 16, 0x400):
        with pytest.raises(Unsafe, match="link or a device"):
            peeled(with_attributes(attributes), "a.7z")


def test_duplicates_in_a_7z() -> None:
    packed, found = plain_7z({"a1": b"1", "a2": b"2"}, py7zr.FILTER_COPY)
    with pytest.raises(Unsafe, match="two of this name"):
        peeled(with_directory(packed, found.replace("a2".encode("utf-16-le"), "a1".encode("utf-16-le"))), "a.7z")


def test_bounds() -> None:
    zeros = bytes(3_000_000)
    tight = Bounds(free=1_000_000, ratio=5)
    for name, data in [
        ("a.lz4", lz4_frame(zeros)),
        ("a.lz4", lz4_legacy(zeros)),
        ("a.sz", snappy(zeros)),
        ("a.Z", compress(zeros)),
        ("a.zip", zip_of(deflate64(zeros), zeros, 9)),
        *(("a.7z", sevenzip({"b": zeros}, *CODERS[coders])) for coders in CODERS if coders != "copy"),
    ]:
        assert len(peeled(data, name)[0][1]) == len(zeros)
        with pytest.raises(Unsafe, match="times its file's size"):
            peeled(data, name, bounds=tight)
        with pytest.raises(Unsafe, match="more than 2,000,000 bytes"):
            peeled(data, name, bounds=Bounds(total=2_000_000))
    many = sevenzip({str(i): b"" for i in range(11)}, LZMA2)
    assert len(peeled(many, "a.7z", bounds=Bounds(members=11))) == 11
    with pytest.raises(Unsafe, match="more than 10 members"):
        peeled(many, "a.7z", bounds=Bounds(members=10))
    for coders in ("lzma", "lzma2", "ppmd"):
        with pytest.raises(Unsafe, match="memory"):
            peeled(sevenzip({"b": CSV}, *CODERS[coders]), "a.7z", bounds=Bounds(memory=1 << 12))


def test_a_directory_that_asks_for_memory_gets_none() -> None:
    """Counts that the directory cannot hold, and a directory that is longer than one may be."""
    packed, found = plain_7z({"b.csv": b"1"}, py7zr.FILTER_COPY)
    huge = b"\xff" + struct.pack("<Q", 1 << 60)
    tracemalloc.start()
    for at in range(1, len(found)):
        try:
            peeled(with_directory(packed, found[:at] + huge + found[at + 1 :]), "a.7z")
        except (Damaged, Unsafe, UnknownWrapping):
            continue
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


BOMBS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "7z-zstd": ("a.7z", lambda plain: sevenzip({"b": plain}, *CODERS["zstd"])),
    "7z-deflate": ("a.7z", lambda plain: sevenzip({"b": plain}, *CODERS["deflate"])),
    "7z-lzma2": ("a.7z", lambda plain: sevenzip({"b": plain}, *CODERS["lzma2"])),
    "zip-deflate64": ("a.zip", lambda plain: zip_of(deflate64(plain), plain, 9)),
    "compress": ("a.Z", compress),
    "snappy": ("a.sz", snappy),
    "lz4": ("a.lz4", lz4_frame),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_does_not_fill_the_memory(kind: str) -> None:
    """100 MB of zeros in a few bytes, read a little at a time."""
    name, pack = BOMBS[kind]
    members = peel(io.BytesIO(pack(bytes(100_000_000))), name, bounds=Bounds(ratio=1 << 40))
    _, content = next(members)
    tracemalloc.start()
    length = sum(map(len, iter(lambda: content.read(1 << 16), b"")))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert length == 100_000_000
    assert peak < 80_000_000


# A process of its own --------------------------------------------------------------------------------


def children() -> set[str]:
    pids = subprocess.run(["pgrep", "-P", str(os.getpid()), "-f", "child.py"], capture_output=True, text=True).stdout
    return set(pids.split())


def test_a_child_ends_with_its_stream() -> None:
    before = children()
    members = peel(io.BytesIO(compress(CSV * 50)), "a.csv.Z")
    _, content = next(members)
    assert content.read(1000) == CSV[:1000]
    assert children() - before
    members.close()
    assert not children() - before


def test_a_child_that_is_killed_says_nothing_about_the_data() -> None:
    before = children()

    def source() -> Iterator[bytes]:
        data = compress(CSV * 50)
        yield data[:200_000]
        (pid,) = children() - before
        os.kill(int(pid), 9)
        time.sleep(0.2)
        yield data[200_000:]

    chunks = source()

    class Slow(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            return next(chunks, b"")

    with pytest.raises(Interrupted, match="signal 9"):
        for _ in piped(Slow(), "a.csv.Z", "compress"):  # type: ignore[arg-type]
            pass


def test_what_the_source_raises_comes_through_a_child() -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise ConnectionResetError("the store went away")

    with pytest.raises(ConnectionResetError, match="went away"):
        list(piped(Broken(), "a.csv.Z", "compress"))  # type: ignore[arg-type]
