"""References, as `&amp;` and `&#946;`, replaced in many texts at once."""

import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from spark.cutting.bits import Flags, Positions, equal, positions

_AMPERSAND, _SEMICOLON = ord("&"), ord(";")
_LONGEST = 12
"""Bytes of a reference; a longer one is not known."""
_NAMED = {b"&lt;": b"<", b"&gt;": b">", b"&amp;": b"&", b"&quot;": b'"', b"&apos;": b"'"}
_NUMBER = re.compile(rb"&#(?:x([0-9a-fA-F]+)|([0-9]+));")


def strings(kind: pa.DataType, bounds: Positions, text: bytes | pa.Buffer) -> pa.Array:
    """Consecutive segments of a text."""
    return pa.Array.from_buffers(
        kind, len(bounds) - 1, [None, pa.py_buffer(bounds.astype(np.int32)), pa.py_buffer(text)]
    )


class References(NamedTuple):
    """Where references in a text start and stop; which of some `values` each is; whether it stands for anything."""

    at: Positions
    stop: Positions
    which: npt.NDArray[np.int32]
    values: list[bytes | None]
    known: Flags


def find(text: bytes | pa.Buffer) -> References | None:
    """All that begins like a reference; None where nothing does."""
    bytes_ = np.frombuffer(text, np.uint8)
    at = positions(equal(bytes_, _AMPERSAND))
    if not len(at):
        return None
    closing = positions(equal(bytes_, _SEMICOLON))
    stop = np.append(closing, len(bytes_))[np.searchsorted(closing, at)] + 1
    good = (stop - at <= _LONGEST) & (stop <= np.append(at[1:], len(bytes_)))
    stop = np.where(good, stop, at + 1)
    cuts = np.concatenate([[0], np.ravel(np.column_stack([at, stop])), [len(bytes_)]])
    encoded = strings(pa.binary(), cuts, text).take(pa.array(np.arange(1, 2 * len(at), 2))).dictionary_encode()
    values = [_replacement(one) for one in encoded.dictionary.to_pylist()]
    which = encoded.indices.to_numpy()
    return References(at, stop, which, values, np.array([one is not None for one in values], bool)[which])


def _replacement(reference: bytes) -> bytes | None:
    """What a reference stands for; None if it is none."""
    number = _NUMBER.fullmatch(reference)
    if not number:
        return _NAMED.get(reference)
    code = int(number[1], 16) if number[1] else int(number[2])
    allowed = code in {9, 10, 13} or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0x10000 <= code < 0x110000
    return chr(code).encode() if allowed else None


def unescaped(
    text: bytes | pa.Buffer, bounds: Positions, found: References | None
) -> tuple[bytes | pa.Buffer, Positions]:
    """A text with references replaced, and where positions in it, in order and none within one, are then."""
    if found is None:
        return text, bounds
    at, stop, which = found.at[found.known], found.stop[found.known], found.which[found.known]
    values = [one or b"" for one in found.values]
    cuts = np.concatenate([[0], np.ravel(np.column_stack([at, stop])), [bounds[-1]]])
    segments = strings(pa.binary(), cuts, text)
    choice = np.arange(len(segments))
    choice[1::2] = len(segments) + which
    whole = pa.concat_arrays([segments, pa.array(values, pa.binary())]).take(pa.array(choice))
    lost = (stop - at) - np.array([len(one) for one in values], np.int64)[which]
    before = np.bincount(np.searchsorted(bounds, at, "right"), weights=lost, minlength=len(bounds) + 1)[:-1]
    return whole.buffers()[2], bounds - np.cumsum(before).astype(np.int64)
