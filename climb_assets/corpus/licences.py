"""Which licences a policy lets be used.

What belongs here: the decision for one name. Which documents it leaves out is `splits`.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from climb_assets.config_corpus import Licences


def is_permitted(licence: str | None, policy: Licences) -> bool:
    """Return whether text may be used that names a licence, or none."""
    if licence is None:
        return policy.unknown == "allow"
    if any(_fits(licence, pattern) for pattern in policy.deny):
        return False
    return policy.allow is None or any(_fits(licence, pattern) for pattern in policy.allow)


def unmatched_patterns(licences: Iterable[str], policy: Licences) -> list[str]:
    """Return the patterns of a policy that fit none of some licences: what is misspelt denies nothing."""
    names = list(licences)
    patterns = [*(policy.allow or ()), *policy.deny]
    return [pattern for pattern in patterns if not any(_fits(name, pattern) for name in names)]


def _fits(licence: str, pattern: str) -> bool:
    return fnmatchcase(licence.casefold(), pattern.casefold())
