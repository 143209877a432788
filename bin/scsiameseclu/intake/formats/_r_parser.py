"""rdata's parser of R's serialized objects, on a stream: the file is never held as a whole."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

import numpy as np
from rdata.parser import DEFAULT_ALTREP_MAP
from rdata.parser._xdr import ParserXDR

_BLOCK = 2**20
"""Numbers that are converted at a time."""


class Parser(ParserXDR):  # type: ignore[misc]
    """The parser of a file behind its first two bytes; vectors claim `limit` bytes at most."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        super().__init__(
            memoryview(b""), expand_altrep=True, altrep_constructor_dict=DEFAULT_ALTREP_MAP
        )
        self.file, self._limit = file, limit  # type: ignore[assignment]

    def parse_int(self) -> int:
        """Parse an integer."""
        return int(struct.unpack(">i", self.file.read(4))[0])

    def parse_string(self, length: int) -> bytes:
        """Parse the bytes of a string."""
        self._check(length)
        return bytes(super().parse_string(length))

    def _parse_array_values(self, dtype: Any, length: int) -> np.ndarray:
        if length == -1:  # a long vector
            high, low = struct.unpack(">iI", self.file.read(8))
            length = (high << 32) + low
        kind = np.dtype(dtype)
        self._check(length * kind.itemsize)
        values = np.empty(length, kind)
        for start in range(0, length, _BLOCK):
            part = values[start : start + _BLOCK]
            part[:] = np.frombuffer(self.file.read(part.nbytes), kind.newbyteorder(">"))
        return values

    def _check(self, n_bytes: int) -> None:
        if n_bytes > self._limit:
            raise ValueError(f"a vector claims {n_bytes:,} bytes")
