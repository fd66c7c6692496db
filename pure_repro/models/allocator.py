"""Memory of the C library: what a training step frees, the next one needs again."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
KEPT, LARGEST_KEPT = 2**30, 2**28  # bytes at the end of the heap; of one block, larger ones go back when they are freed


def keep_freed_memory() -> None:
    """Let glibc keep up to a GiB that was freed; other systems' allocators stay as they are.

    By default it hands memory back as soon as a backward pass has freed its activations, and the next forward pass
    waits for the system to give and clear it page by page: 22,000 pages an update of 128 responses by the embedded
    world's policy, a tenth of its time. The peak stays what it was.
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(M_TRIM_THRESHOLD, KEPT)
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
