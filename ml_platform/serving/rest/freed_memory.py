"""What a process does with memory that it freed."""

import ctypes
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h
_KEPT_BYTES = 64 << 20  # bytes that are free at the end of the heap, at most
_MAPPED_BYTES = 32 << 20  # bytes from which on a block is mapped, and goes back when it is freed


def keep_freed_memory() -> None:
    """Keep up to 64 MiB of freed memory for the next request of many rows, where the C library is glibc.

    By itself glibc gives it back after each column of numbers, and the next column is a fault a page: for 100,000 rows
    they are a seventh of all work. No memory is taken in advance.
    """
    with suppress(AttributeError):  # of another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_MMAP_THRESHOLD, _MAPPED_BYTES)
