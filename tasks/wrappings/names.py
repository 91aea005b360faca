"""What names claim, what they become without a wrapping, and that they stay inside."""

import re

from spark.errors import Unsafe

_ENDINGS: dict[str, dict[str, str]] = {
    "zip": {".zip": "", ".zipx": ""},
    "tar": {".tar": ""},
    "gzip": {".gz": "", ".tgz": ".tar"},
    "bzip2": {".bz2": "", ".tbz": ".tar", ".tbz2": ".tar"},
    "xz": {".xz": "", ".txz": ".tar"},
    "lzma": {".lzma": "", ".tlz": ".tar"},
    "zstd": {".zst": "", ".tzst": ".tar"},
    "pgp": {".pgp": "", ".gpg": ""},
    "7z": {".7z": ""},
    "lz4": {".lz4": ""},
    "compress": {".z": "", ".taz": ".tar"},
    "snappy": {".sz": ""},
    "rar": {".rar": ""},
    "lzip": {".lz": ""},
    "lzop": {".lzo": ""},
    "lrzip": {".lrz": ""},
    "cab": {".cab": ""},
    "cpio": {".cpio": ""},
    "age": {".age": ""},
}
"""The endings of a name that claim a wrapping, and what stands in their place once it is peeled. `.asc`
claims nothing: it is also the ending of keys and signatures."""


def claim(name: str) -> str | None:
    """The wrapping that a name's ending claims."""
    ending = name[name.rfind(".") :].lower()
    return next((kind for kind, endings in _ENDINGS.items() if ending in endings), None)


def unwrapped(name: str, kind: str) -> str:
    """`x.csv.gz` -> `x.csv`; a name without the ending stays."""
    endings = _ENDINGS[kind] | ({".asc": ""} if kind == "pgp" else {})
    for ending, instead in endings.items():
        if name.lower().endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)] + instead
    return name


def contained(name: str, where: str) -> str:
    """A member's name as a relative path with `/`; empty for the archive's root.

    A backslash counts as a separator: that is what the Windows programs that write it mean. Bytes that are
    not UTF-8 become `%XX`. Raises `Unsafe` for `..`, absolute names, drive letters and NUL.
    """
    slashed = name.replace("\\", "/")
    parts = [part for part in slashed.split("/") if part not in ("", ".")]
    if "\0" in name or slashed.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", slashed):
        raise Unsafe(f"{where}: member name {name!r} would escape")
    return "".join(f"%{ord(c) - 0xDC00:02X}" if 0xDC80 <= ord(c) <= 0xDCFF else c for c in "/".join(parts))
