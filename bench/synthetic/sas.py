"""A large sas7bdat: a real one whose last full page of rows is repeated, as no library writes the format.

What is changed: the number of pages (in the header, at 204, plus 4 where numbers are aligned to 8) and of rows (the
sixth word, from 0, of the row size subheader), as "SAS7BDAT Database Binary Format" (M. Shotwell) has it.
"""

import struct
from pathlib import Path

_ROWS = 0x100  # the type of a page that holds nothing but rows
_ROW_SIZE = 0xF7F7F7F7


def stretched(real: Path, path: Path, size: int) -> int:
    """Write a file of about `size` bytes; answers with its rows. `real` has a page of rows alone, uncompressed."""
    data = bytearray(real.read_bytes())
    order, wide = "<" if data[37] else ">", data[32] == ord("3")
    word = "Q" if wide else "I"
    align = 4 if data[35] == ord("3") else 0
    header, page = struct.unpack_from(f"{order}II", data, 196 + align)
    (pages,) = struct.unpack_from(f"{order}{word}", data, 204 + align)
    kinds = [struct.unpack_from(f"{order}HH", data, header + n * page + (32 if wide else 16)) for n in range(pages)]
    rows, last = max((blocks, number) for number, (kind, blocks) in enumerate(kinds) if kind == _ROWS)
    copies = max(0, size - len(data)) // page
    at = data.index(struct.pack(f"{order}{word}", _ROW_SIZE), header) + 6 * struct.calcsize(f"={word}")
    (before,) = struct.unpack_from(f"{order}{word}", data, at)
    struct.pack_into(f"{order}{word}", data, at, before + copies * rows)
    struct.pack_into(f"{order}{word}", data, 204 + align, pages + copies)
    begin = header + last * page
    with path.open("wb") as out:
        out.write(data[:begin])
        for _ in range(copies):
            out.write(data[begin : begin + page])
        out.write(data[begin:])
    return int(before + copies * rows)
