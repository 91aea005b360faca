"""Peel wrappings, in any order and depth, as streams: zip, 7z, tar, gzip, bzip2, xz, lzma, zstd, lz4, snappy, `.Z` and
PGP.

A wrapping is known by its first bytes, never by its name. A name only helps where the bytes say nothing: a
file called `x.zip` that is no zip is an error (it is often a saved error page), not a file to be read.
Nothing here touches a disk. Only zip and 7z need to seek: inside another wrapping they are staged by `spool` first.

`walk` goes through a file; `magic` and `names` know what bytes and names say; `decoders` are the compressed
streams, `tar`, `zip` and `sevenzip` the archives, `locks` what a password opens, `child` what runs in a process of
its own. docs/wrappings.md says what is read, how, and what is refused.
"""

from tasks.wrappings.magic import ARCHIVES, HEAD, READABLE, UNREADABLE, sniff
from tasks.wrappings.names import contained
from tasks.wrappings.walk import Bounds, Member, peel

__all__ = ["ARCHIVES", "HEAD", "READABLE", "UNREADABLE", "Bounds", "Member", "contained", "peel", "sniff"]
