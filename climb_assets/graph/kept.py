"""Kept assets: made from inputs that have moved on, and still the ones to use until they are renewed.

What belongs here: which inputs of an asset decide whether it is stale, the generations of what is kept, and what has
come since. What is compared with what is `climb_assets.graph.planner`.

Kept assets come in groups that are renewed together. A group has a generation, 1 at first, which is among the settings
of its assets: counting it up is what renews them, and the artefact tells of which generation it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from climb_assets.errors import ArgumentError, MissingArtifact
from climb_assets.graph.assets import SPEC, SPECS
from climb_assets.graph.spec import Spec, place_of
from climb_assets.store.artifacts import Artifact
from climb_assets.store.store import Store

GENERATIONS = "generations"  # the references that hold them, a group a partition
GENERATION = "generation"  # the setting of kept assets
GROUPS = tuple(dict.fromkeys(spec.kept for spec in SPECS if spec.kept is not None))
DRIFT = {"taxonomy": "taxonomy_drift"}  # the live asset that says how far the corpus moved since a group was fitted
FITTED_ON = "corpus_shards"  # whose partitions say which documents a kept artefact was made from


def decides(spec: Spec, name: str) -> bool:
    """Return whether an asset is stale where the version of this input is another.

    Of a kept asset these are files outside the lake, which are settings, and what is kept itself. The others are
    recorded and not compared.

    Parameters
    ----------
    name
        As a manifest writes it.
    """
    if spec.kept is None:
        return True
    upstream = SPEC.get(place_of(name)[0])
    return name.startswith("file:") or (upstream is not None and upstream.kept is not None)


def deciding(spec: Spec, inputs: Mapping[str, str]) -> dict[str, str]:
    """Return the inputs, with their versions, that decide whether an asset is stale; see `decides`."""
    return {name: version for name, version in inputs.items() if decides(spec, name)}


def generation_of(store: Store, group: str) -> int:
    """Return the generation that a group should have: one more than its renewals that were asked for.

    Where the reference that counts them was lost, it is that of what there is.
    """
    asked = store.reference(GENERATIONS, group)
    return int(asked) if asked is not None else max(_generations(store, group), default=1)


def _generations(store: Store, group: str) -> list[int]:
    made = [store.current(spec.asset) for spec in SPECS if spec.kept == group]
    return [int(artifact.manifest["config"].get(GENERATION, 1)) for artifact in made if artifact is not None]


def renew(store: Store, group: str) -> int:
    """Ask for a group to be made anew from what there is now, and return the generation that it will have.

    Where this was asked for before and has not been made yet, nothing changes: asking twice renews once.

    Raises
    ------
    ArgumentError
        There is no such group.
    MissingArtifact
        Nothing of it was made yet.
    """
    if group not in GROUPS:
        raise ArgumentError(f"{group!r} is not kept; choose one of {', '.join(GROUPS)}")
    generations = _generations(store, group)
    if not generations:
        raise MissingArtifact(f"there is no {group} to renew yet; run `climb up`")
    while True:
        before, now = store.reference(GENERATIONS, group), generation_of(store, group)
        if min(generations) < now:
            return now
        if store.swap(GENERATIONS, group, before, str(now + 1)):
            return now + 1


def _live() -> frozenset[str]:
    """Return the assets that follow the corpus or come before it: all that do not rest on what is kept alone."""
    live: set[str] = set()
    for spec in SPECS:  # inputs stand before what is made from them
        if spec.kept is None and (not spec.inputs or any(entry.asset in live for entry in spec.inputs)):
            live.add(spec.asset)
    return frozenset(live)


LIVE = _live()  # the others are of a search: what is kept, and what follows from that alone
READ_LIVE = frozenset(entry.asset for spec in SPECS if spec.asset in LIVE for entry in spec.inputs)


@dataclass(frozen=True)
class Drift:
    """How far the corpus moved since something kept was fitted.

    Parameters
    ----------
    share, noise
        Share of the tokens that moved between domains, and the share that chance moves.
    renew_at
        The share at which it is to be renewed.
    """

    share: float
    noise: float
    renew_at: float

    @property
    def is_due(self) -> bool:
        """Whether it is to be renewed: the share is reached, and it is not chance."""
        return self.share >= self.renew_at and self.share > self.noise

    def in_words(self) -> str:
        """Return it as people read it."""
        more = f" (chance moves {100 * self.noise:.1f} %)" if self.renew_at <= self.share <= self.noise else ""
        return f"drift {100 * self.share:.1f} % of tokens{more}, renew at {100 * self.renew_at:g} %"


@dataclass(frozen=True)
class KeptGroup:
    """A group that is kept: what it was made from, and what has come since.

    Parameters
    ----------
    assets
        Those of the group.
    shards
        How many shards it was fitted on.
    came, changed, went
        The shards that are not what it was fitted on.
    drift
        None where it is not known for the corpus as it is.
    """

    group: str
    generation: int
    assets: tuple[str, ...]
    shards: int
    came: tuple[str, ...]
    changed: tuple[str, ...]
    went: tuple[str, ...]
    drift: Drift | None = None

    @property
    def since(self) -> int:
        """How many shards are not what it was fitted on."""
        return len(self.came) + len(self.changed) + len(self.went)

    def in_words(self) -> str:
        """Return it as people read it."""
        counts = {"came": len(self.came), "changed": len(self.changed), "went": len(self.went)}
        how = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        since = f"{counted_shards(self.since)} since ({how})" if self.since else "nothing since"
        fitted = f"fitted on {counted_shards(self.shards)}"
        drift = f"; {self.drift.in_words()}" if self.since and self.drift is not None else ""
        return f"kept: {self.group} of generation {self.generation}, {fitted}; {since}{drift}"


def counted_shards(number: int) -> str:
    """Return a number of shards as people write it."""
    return f"{number} shard{'s' * (number != 1)}"


def compare_with_fit(
    group: str, made: Artifact, versions: Mapping[str, str | None], drift: Drift | None = None
) -> KeptGroup:
    """Return what has come since a kept artefact was made.

    Parameters
    ----------
    made
        The artefact of the group that was fitted on documents.
    versions
        The data version of each shard that there is; None where it is not known, as the shard will be read again.
    drift
        What was measured of the corpus as it is.
    """
    places = [(place_of(name), version) for name, version in made.manifest["inputs"].items()]
    fitted = {shard: made_from for (asset, shard), made_from in places if asset == FITTED_ON and shard is not None}
    return KeptGroup(
        group,
        made.manifest["config"][GENERATION],
        tuple(spec.asset for spec in SPECS if spec.kept == group),
        len(fitted),
        tuple(sorted(versions.keys() - fitted)),
        tuple(sorted(shard for shard in versions.keys() & fitted.keys() if versions[shard] != fitted[shard])),
        tuple(sorted(fitted.keys() - versions.keys())),
        drift,
    )
