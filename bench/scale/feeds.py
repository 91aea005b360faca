"""A day's load: the feeds of which it is made."""

from dataclasses import dataclass, replace

from bench.scale.points import GIB

TB = 10**12


@dataclass(frozen=True)
class Feed:
    """Sources that are alike, and what they bring in a day. Bytes are of plaintext.

    `drops` of `files` files each, of `bytes` together; `compression` is plaintext by what is delivered, `row_bytes`
    plaintext of a row, `write_amplification` rows of `current` that are written for each that arrives, `bandwidth`
    bytes a second that the party gives.
    """

    name: str
    sources: int
    drops: int
    files: int
    bytes: float
    compression: float
    access: str
    wrapping: str
    format: str
    write_amplification: float
    bandwidth: float = 125e6
    row_bytes: float = 350

    @property
    def gib(self) -> float:
        """Of a drop, plaintext."""
        return self.bytes / GIB

    @property
    def delivered(self) -> float:
        """Of a drop, as it is delivered, in GiB."""
        return self.gib / self.compression

    @property
    def rows(self) -> float:
        """Of a drop."""
        return self.bytes / self.row_bytes

    def scaled(self, factor: float) -> "Feed":
        """As many drops, each with so many times the data in as many times the files."""
        return replace(self, bytes=self.bytes * factor, files=max(1, round(self.files * factor)))


MIX = (
    Feed("claims, daily, fixed width in PGP", 24, 24, 20, 0.1 * TB, 5, "sftp", "gpg", "fwf", 3),
    Feed("one CSV of 100 GB as gzip", 4, 4, 1, 0.5 * TB, 5, "sftp", "gz", "csv", 3),
    Feed("CSV in zips", 8, 8, 10, 0.1 * TB, 8, "http", "zip", "csv", 3),
    Feed("SAS transport files, plain", 3, 3, 20, 0.26 * TB, 1, "s3", "none, staged whole", "xport", 1, 1.25e9),
    Feed("100,000 small files", 1, 1, 100_000, 0.02 * TB, 1, "sftp", "none", "csv", 3),
    Feed("history, once: 4 TB on a bucket", 1, 1, 400, 4 * TB, 5, "s3", "gz", "csv", 1, 1.25e9),
)
"""A day of 10 TB of plaintext. 41 sources; the write amplification is an assumption for keys that mostly come at the
end of those that are there, where `transform.md` measures 3 to 4 bytes written for each that arrived."""
