"""What domains are called: a few of their terms, each name short, printable and of one domain alone.

What belongs here: from terms to names. Which terms set a domain apart is `climb_assets.clusters.terms`. A name is for
people, and heads a column of a swarm table; whatever is joined goes by the number.
"""

import itertools
from collections.abc import Iterator, Sequence

NAME_TERMS = 3
TERM_CHARACTERS = 24  # of a term: text without spaces has terms of thousands
NOT_NAMES = frozenset({"run", "run_id", "index", "name"})  # a swarm table's other columns have them


def name_domains(terms: Sequence[Sequence[str]], what: str = "domain") -> list[str]:
    """Return a name for each domain, of its first terms; where that is taken, of more of them, at last with a number.

    Parameters
    ----------
    terms
        Of each domain the terms that set it apart, best first.
    what
        What it is called, with its number, where it has no terms.
    """
    names: list[str] = []
    taken = set(NOT_NAMES)
    for number, own in enumerate(terms):
        name = next(name for name in _candidates(f"{what} {number}", own) if name.casefold() not in taken)
        taken.add(name.casefold())
        names.append(name)
    return names


def _candidates(otherwise: str, terms: Sequence[str]) -> Iterator[str]:
    short = [term if len(term) <= TERM_CHARACTERS else f"{term[: TERM_CHARACTERS - 1]}…" for term in terms]
    first = " ".join(short[:NAME_TERMS]) or otherwise
    yield first
    yield from (f"{first} {term}" for term in short[NAME_TERMS:])
    yield from (f"{first} {count}" for count in itertools.count(2))
