"""What a person sees while `climb up` works: a line per run, and a bar for long work."""

import sys

from tqdm import tqdm


class Reporter:
    """Prints lines, and progress bars where the output is a terminal."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None
        self._what = ""

    def line(self, text: str) -> None:
        """Print one line."""
        self.close()
        tqdm.write(text, file=sys.stdout)
        sys.stdout.flush()

    def progress(self, what: str, done: int, total: int) -> None:
        """Show how far long work is; called with the same `what` until it is done."""
        if self._bar is None or what != self._what:
            self.close()
            self._what, self._bar = (
                what,
                tqdm(total=total, desc=f"  {what}", leave=False, disable=not sys.stderr.isatty()),
            )
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
