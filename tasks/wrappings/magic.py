"""What the first bytes of a file show."""

import re

HEAD = 1024
"""Bytes that `sniff` wants to see: a tar header is 512, a zstd or lz4 skippable frame may come first."""

READABLE = ("zip", "7z", "tar", "gzip", "bzip2", "xz", "lzma", "zstd", "lz4", "snappy", "compress", "pgp")
"""Every wrapping that `peel` opens, by the name that `expect` and `Member.wrappings` use."""

ARCHIVES = ("zip", "7z", "tar")
"""Those of them that hold any number of files, each with a name."""

UNREADABLE = (
    "rar", "pgp-clearsigned", "lzip", "lzop", "lrzip", "cab", "cpio", "ar", "lha", "xar", "age", "openssl"
)  # fmt: skip
"""Wrappings that are recognised, so that the error says their name."""

SKIPPABLE = re.compile(rb"(?s)[\x50-\x5f]\x2a\x4d\x18")
"""A frame that says nothing, of zstd (RFC 8878, 3.1.2) and lz4 alike."""

APPLE_DOUBLE = b"\x00\x05\x16\x07"
"""`__MACOSX/._x.zip` is no zip but Finder's notes on x.zip."""

_MAGIC: list[tuple[str, re.Pattern[bytes]]] = [
    ("zip", re.compile(rb"PK(\x03\x04|\x05\x06|\x07\x08PK\x03\x04|00PK\x03\x04)")),  # also empty, split
    ("gzip", re.compile(rb"\x1f\x8b\x08")),
    ("bzip2", re.compile(rb"BZh[1-9](1AY&SY|\x17\x72\x45\x38\x50\x90)")),
    ("xz", re.compile(rb"\xfd7zXZ\x00")),
    # A power of two as dictionary size and a length that is unknown or below 1 TiB: .lzma has no magic of its own.
    (
        "lzma",
        re.compile(rb"(?s)\x5d\x00\x00[\x01\x02\x04\x08\x10\x20\x40\x80\x00][\x00-\x08](\xff{8}|.{5}\x00{3})"),
    ),
    ("zstd", re.compile(rb"\x28\xb5\x2f\xfd")),
    ("7z", re.compile(rb"7z\xbc\xaf\x27\x1c")),
    ("lz4", re.compile(rb"\x04\x22\x4d\x18|\x02\x21\x4c\x18")),
    ("compress", re.compile(rb"\x1f\x9d[\x09-\x10\x89-\x90]")),  # then the widest code, 9 to 16 bits
    ("snappy", re.compile(rb"\xff\x06\x00\x00sNaPpY")),
    ("rar", re.compile(rb"Rar!\x1a\x07")),
    ("lzip", re.compile(rb"LZIP[\x00\x01]")),
    ("lzop", re.compile(rb"\x89LZO\x00\r\n\x1a\n")),
    ("lrzip", re.compile(rb"LRZI\x00")),
    ("cab", re.compile(rb"MSCF\x00\x00\x00\x00")),
    ("cpio", re.compile(rb"07070[12][0-9A-Fa-f]{104}|070707[0-7]{70}")),
    ("ar", re.compile(rb"!<arch>\n")),
    ("lha", re.compile(rb"(?s)..-l[hz][0-9ds]-")),
    ("xar", re.compile(rb"xar!\x00")),
    ("age", re.compile(rb"age-encryption\.org/v1\n|-----BEGIN AGE ENCRYPTED FILE-----")),
    ("openssl", re.compile(rb"Salted__")),
    ("pgp-clearsigned", re.compile(rb"(\xef\xbb\xbf)?\s*-----BEGIN PGP SIGNED MESSAGE-----")),
    ("pgp", re.compile(rb"(\xef\xbb\xbf)?\s*-----BEGIN PGP MESSAGE")),
    # RFC 9580, 5.1 and 5.3: a session key packet, its length, its version. Version 3 or 6 for a public key, 4
    # to 6 for a passphrase. One-pass signature (tag 4): signed, not encrypted; gpg will say so.
    ("pgp", re.compile(rb"(?s)(\x84.|\x85..|\xc1[\x00-\xbf]|\xc1[\xc0-\xdf].)[\x03\x06]")),
    ("pgp", re.compile(rb"(?s)(\x8c.|\x8d..|\xc3[\x00-\xbf])[\x04-\x06][\x01-\x0d]")),
    ("pgp", re.compile(rb"(\x90|\xc4)\x0d\x03[\x00\x01]")),
]


def sniff(head: bytes) -> str | None:
    """The wrapping that the first bytes show, one of `READABLE` or `UNREADABLE`, or None.

    `head` should hold `HEAD` bytes: tar is known by bytes 257 to 262, or, before ustar (v7), by its checksum alone.
    """
    if SKIPPABLE.match(head):
        return "lz4" if _past_skippable(head)[:4] == b"\x04\x22\x4d\x18" else "zstd"
    for kind, magic in _MAGIC:
        if magic.match(head):
            return kind
    if _is_tar(head):
        return "tar"
    return None


def _past_skippable(head: bytes) -> bytes:
    while SKIPPABLE.match(head):
        head = head[8 + int.from_bytes(head[4:8], "little") :]
    return head


def _is_tar(head: bytes) -> bool:
    if head[257:262] == b"ustar":
        return True
    if len(head) < 512 or not head[0]:
        return False
    digits = head[148:156].strip(b" \0")
    if not re.fullmatch(rb"[0-7]{1,7}", digits):
        return False
    blank = head[:148] + b" " * 8 + head[156:512]
    signed = sum(b - 256 if b > 127 else b for b in blank)  # some old tars summed signed chars
    return int(digits, 8) in (sum(blank), signed)
