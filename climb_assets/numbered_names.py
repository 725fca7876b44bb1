"""Numbers in names of files, so that names sort as the numbers do.

What belongs here: the digits. Whoever reads a folder, DuckDB or a loader of data, takes its files in the order of their
names.
"""

LEAST_DIGITS = 5


def pad_number(number: int, count: int) -> str:
    """Return a number as it stands in a name: with `LEAST_DIGITS` or, where there are more files, as the last one has.

    Parameters
    ----------
    number
        From 0.
    count
        How many files there are.
    """
    return f"{number:0{max(LEAST_DIGITS, len(str(count - 1)))}d}"
