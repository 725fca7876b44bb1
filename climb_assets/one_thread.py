"""One thread for each operation of torch: the same last bits on every machine."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def on_one_thread() -> Iterator[None]:
    """Let each operation compute on one thread, however many the process has: another number could change last bits."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
