"""Garbage of a store: what everybody may ask of it, wherever the store lies.

What belongs here: the contract. How a folder is looked through and swept belongs to
`climb_assets.store.local_garbage`, how a bucket is to `climb_assets.store.object_garbage`. What is needed is not known
here: see `climb_assets.audit.garbage`.
"""

from abc import abstractmethod
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from climb_assets.errors import TransientError

Key = tuple[str, str | None, str]  # asset, partition, fingerprint
Kind = Literal["artefact", "unfinished work", "temporary reference", "lock"]

UNKNOWN = "is of no asset of this version of climb"


@dataclass(frozen=True)
class Entry:
    """Something that the store has written.

    Parameters
    ----------
    place
        The path of a file or folder on this machine; in a bucket the key of an object, or the folder of several.
    key
        Asset, partition and fingerprint where it belongs to an artefact.
    right
        Name of the right that its writer holds; None where it has no writer.
    """

    kind: Kind
    place: str
    bytes: int
    key: Key | None = None
    right: str | None = None


@dataclass(frozen=True)
class Left:
    """What is neither needed nor garbage, and why it is left alone."""

    place: str
    reason: str


@dataclass(frozen=True)
class Survey:
    """What lies in a store."""

    needed: tuple[Entry, ...]
    garbage: tuple[Entry, ...]
    left: tuple[Left, ...]

    @property
    def bytes(self) -> int:
        """Bytes of all that the store has written."""
        return sum(entry.bytes for entry in (*self.needed, *self.garbage))


@dataclass(frozen=True)
class Undisturbed:
    """The right to remove garbage, while nobody is in an `in_use` block.

    Parameters
    ----------
    began
        When it was granted, in seconds by the clock of the store.
    still_held
        Tells whether it was not lost meanwhile.
    """

    began: float
    still_held: Callable[[], bool]

    def require(self) -> None:
        """Check that the right is still held.

        Raises
        ------
        TransientError
            It was lost, so others may need by now what was garbage.
        """
        if not self.still_held():
            raise TransientError(
                "the right to remove garbage was lost meanwhile, as this machine slept or was cut off; run again, "
                "which looks anew and removes the rest"
            )


class StoreGarbage(Protocol):
    """What lies in a store besides what is needed, and removing it."""

    @abstractmethod
    def survey(
        self,
        assets: Collection[str],
        needed: Collection[Key],
        *,
        keep_unfinished: bool = False,
        since: float = float("inf"),
    ) -> Survey:
        """Look through the store; nothing is changed.

        Parameters
        ----------
        assets
            Those whose artefacts may be garbage; what is of another is left alone.
        needed
            The artefacts that are none.
        keep_unfinished
            Whether the drafts and checkpoints of dead writers stay, from which the next one goes on.
        since
            What may have a writer at this time, in seconds by the clock of the store, is left alone.
        """

    @abstractmethod
    def undisturbed(self) -> AbstractContextManager[Undisturbed]:
        """Hold the store while nobody is in an `in_use` block, and let whoever wants to be in one wait.

        Raises
        ------
        TransientError
            It is in use, or nobody can tell.
        """

    @abstractmethod
    def remove(self, found: Survey, right: Undisturbed) -> list[Left]:
        """Remove what a survey found to be garbage; return what has found a writer or a reference since, and was left.

        An artefact is there whole or not at all, whenever this process dies. What is left over then is garbage of the
        next survey.

        Raises
        ------
        TransientError
            The right was lost on the way; what was not removed by then stays.
        """
