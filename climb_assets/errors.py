"""One exception tree. Every error a user can cause says in one sentence what is wrong and what to do.

What belongs here: exception classes only. The command line turns any `ClimbError` into one line and
exit code 2; the Dagster layer turns it into `dg.Failure(allow_retries=False)`, except `TransientError`.
"""

from climb_assets.printable import MOST_OF_A_SENTENCE, printable


class ClimbError(Exception):
    """Base of everything this project raises on purpose; its text is one printable line, whatever of data is in it."""

    def __str__(self) -> str:
        return printable(super().__str__(), MOST_OF_A_SENTENCE)


class ConfigError(ClimbError):
    """The configuration is wrong: an unknown key, a value out of range, a file or a package that is not there."""


class ArgumentError(ClimbError):
    """What a command was given is wrong: an option, a query, a table, a folder that is not what it is to be."""


class CorpusError(ClimbError):
    """The raw corpus cannot be used: absent, empty, or changed while it was being read."""


class MissingArtifact(ClimbError):
    """An artefact that is needed has not been made yet."""


class CorruptArtifact(ClimbError):
    """An artefact's bytes are not the bytes its manifest promises."""


class CorruptLedger(ClimbError):
    """The ledger of a store is not what was written: lines were changed, cut, added or reordered."""


class ComputeError(ClimbError):
    """A computation cannot give a meaningful result: fewer documents than clusters, a domain without text."""


class DeviceFault(ClimbError):
    """A disk, a file system or a database did not do what was asked, and will not before somebody mends it."""


class WaitingForResults(ClimbError):
    """Somebody else is to measure something first: nothing is wrong, and what they tell goes on from here."""


class TransientError(ClimbError):
    """Something outside failed and may work when tried again: a dead worker, a full disk."""
