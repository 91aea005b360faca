"""Files made for tests, with what stands in them known from how they were made."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard
from hypothesis import strategies as st

from spark.parts import Part, StagedFile
from spark.readers import Reader

BOM = b"\xef\xbb\xbf"


class Dribble(io.RawIOBase):
    """A stream that never gives more than `most` bytes at once; `given` counts them."""

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__()
        self._data, self._most, self.given = io.BytesIO(data), most, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        data = self._data.read(min(size, self._most) if size >= 0 else self._most)
        self.given += len(data)
        return data


@dataclass(frozen=True)
class Made:
    """A file that keeps to its dialect. `body` is where the first record after the header begins, in bytes.

    `records` are the fields of each, bare empty as None; `texts` the same as written, without the line end.
    """

    plaintext: bytes
    delimiter: str
    body: int
    columns: list[str]
    records: list[list[str | None]]
    texts: list[str]


_INSIDE = 'ab \u00e9\u20ac,|\t"\n\r'


@st.composite
def csv_files(draw: st.DrawFn) -> Made:
    """CSV as it may be: fields quoted or not, line ends and quotes in quotes, blank lines, ragged records."""
    delimiter = draw(st.sampled_from(",|\t"))
    bare = st.text(alphabet=[c for c in _INSIDE if c not in {delimiter, '"', "\n", "\r"}], max_size=5)
    quoted = st.text(alphabet=_INSIDE, max_size=8)
    field = st.one_of(
        bare.map(lambda value: (value or None, value)),
        quoted.map(lambda value: (value, '"' + value.replace('"', '""') + '"')),
    )
    record = st.lists(field, min_size=1, max_size=4).filter(lambda fields: fields != [(None, "")])
    lines = draw(st.lists(st.one_of(record, record, record, st.just([])), max_size=12))
    lines.insert(draw(st.integers(0, len(lines))), draw(record))  # at least a header
    ends = draw(st.lists(st.sampled_from(["\n", "\r\n"]), min_size=len(lines), max_size=len(lines)))
    if draw(st.booleans()) and lines[-1]:
        ends[-1] = ""
    texts = [delimiter.join(written for _, written in line) for line in lines]
    bom = BOM if draw(st.booleans()) else b""
    header = next(i for i, line in enumerate(lines) if line)
    encoded = [(text + end).encode() for text, end in zip(texts, ends, strict=True)]
    return Made(
        plaintext=bom + b"".join(encoded),
        delimiter=delimiter,
        body=len(bom) + sum(map(len, encoded[: header + 1])),
        columns=[value or "" for value, _ in lines[header]],
        records=[[value for value, _ in line] for line in lines[header + 1 :] if line],
        texts=[text for text, line in zip(texts[header + 1 :], lines[header + 1 :], strict=True) if line],
    )


def stage(data: bytes, name: str, reader: Reader, folder: Path, size: int) -> StagedFile:
    """Cut a file into parts that stand in `folder`, as unwrapping does."""
    return StagedFile(
        file=name,
        columns=(pieces := list(_parts(data, reader, folder, size)))[0][1],
        parts=tuple(part for part, _ in pieces),
    )


def _parts(data: bytes, reader: Reader, folder: Path, size: int) -> Iterator[tuple[Part, tuple[str, ...]]]:
    folder.mkdir(parents=True, exist_ok=True)
    for number, piece in enumerate(reader.cut(io.BytesIO(data), size)):
        path = folder / f"{number:05}.zst"
        path.write_bytes(zstandard.ZstdCompressor(1).compress(piece.data))
        fields: dict[str, Any] = {"path": str(path), "bytes": len(piece.data)}
        for field in ("offset", "first_record", "records", "bad", "trailing"):
            fields[field] = getattr(piece, field)
        yield Part(**fields), piece.columns
