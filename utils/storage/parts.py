"""A blob as a file of which only those parts are fetched that somebody reads."""

import io

from utils.errors import Unreadable
from utils.storage.container import Blob, Container, Damaged, Listed, Missing

FIRST = 32 << 10  # bytes, in which most cameras have size, time and orientation


class Parts(io.RawIOBase):
    """The blob that was listed, to be read from anywhere. What is fetched first has FIRST bytes,
    every further part as many as three times what is here already.

    Reading raises Unreadable when the blob is gone or another one than was listed, OutsideError
    when the network fails.
    """

    def __init__(self, container: Container, blob: Listed | Blob):
        self._container, self._blob = container, blob
        self._parts: dict[int, bytes] = {}  # by where they begin
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        before = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._blob.size}
        if before[whence] + offset < 0:
            raise OSError("a place before the beginning")
        self._place = before[whence] + offset
        return self._place

    def readinto(self, buffer) -> int:
        if self._place >= self._blob.size:
            return 0
        start, part = self._part()
        piece = part[self._place - start : self._place - start + len(buffer)]
        buffer[: len(piece)] = piece
        self._place += len(piece)
        return len(piece)

    def _part(self) -> tuple[int, bytes]:
        """The part that holds the present place, and where it begins."""
        for start, part in self._parts.items():
            if start <= self._place < start + len(part):
                return start, part
        end = min((start for start in self._parts if start > self._place), default=self._blob.size)
        fetched = sum(map(len, self._parts.values()))
        length = min(max(FIRST, 3 * fetched), end - self._place)
        try:
            part = self._container.read_part(self._blob.name, self._place, length, self._blob)
        except Missing:
            raise Unreadable("it is gone from the container") from None
        except Damaged as error:
            raise Unreadable(str(error)) from None
        self._parts[self._place] = part
        return self._place, part
