"""The sources that text tasks name, held against those that the corpus holds.

What belongs here: what is wrong with them, in one sentence for all tasks. How held-out text becomes a task is `tasks`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

import pyarrow as pa
import pyarrow.compute as pc

from climb_assets.config_tasks import Task, TextTask
from climb_assets.errors import ConfigError
from climb_assets.printable import printable
from climb_assets.training.tasks import choose_part, named_sources

SHOWN = 5  # faults in one sentence
NEAREST = 2  # sources with a name like one that is not there
ALIKE = 0.75  # of difflib; a typo has more, and two names that only end alike have less
COMPARED = 2000  # sources, those with most documents, whose names are looked through for it
LONGEST = 60  # characters that are shown of a name


def require_sources(tasks: Mapping[str, Task], sources: pa.Table) -> None:
    """Check that each text task finds enough of its sources, those too that are first read after the search.

    Parameters
    ----------
    sources
        ``sources.parquet`` of `corpus_manifest`: documents by `source` and `split`.

    Raises
    ------
    ConfigError
        A source has no document in its task's split, or too few for two parts. All such sources are named.
    """
    texts = {name: task for name, task in tasks.items() if isinstance(task, TextTask)}
    named = sorted({source for task in texts.values() for source in named_sources(task)})
    rows = sources.filter(pc.is_in(sources["source"], pa.array(named, pa.string()))).to_pylist()
    held = Counter({(row["source"], row["split"]): row["documents"] for row in rows})
    faults = [fault for name, task in texts.items() for fault in _find_faults(name, task, held, sources)]
    if faults:
        more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise ConfigError(f'{"; ".join(faults[:SHOWN])}{more}; `climb sql "FROM sources"` lists what there is')


def count_sources(documents: pa.Table) -> pa.Table:
    """Return the number of documents of each `source` in each `split`, as `require_sources` wants it."""
    counted = documents.group_by(["source", "split"]).aggregate([([], "count_all")])
    return counted.rename_columns(["source", "split", "documents"])


def _find_faults(name: str, task: TextTask, held: Counter[tuple[str, str]], sources: pa.Table) -> Iterator[str]:
    key = f"tasks.{printable(name, LONGEST)}.sources"
    for source in named_sources(task):
        shown, documents = repr(printable(source, LONGEST)), held[source, task.split]
        if documents:
            try:
                choose_part(documents, task.documents, task.split, "search", f"{key}: source {shown}")
            except ConfigError as error:
                yield str(error)
        elif elsewhere := sum(count for (other, _), count in held.items() if other == source):
            yield (
                f"{key}: {task.split} holds none of the {elsewhere} documents of source {shown}; add such texts, or "
                f"raise corpus.{task.split}"
            )
        else:
            cure = f"choose {near}" if (near := _nearest(source, task.split, sources)) else "choose another"
            yield f"{key}: {task.split} holds no text of source {shown}; {cure}, or add such texts to the corpus"


def _nearest(source: str, split: str, sources: pa.Table) -> str:
    """Return the sources of a split whose names are most like one, as text; case makes no difference."""
    of_split = sources.filter(pc.equal(sources["split"], split))
    commonest = of_split.sort_by([("documents", "descending"), ("source", "ascending")]).slice(0, COMPARED)
    names: dict[str, list[str]] = {}
    for name in commonest["source"].to_pylist():
        names.setdefault(name.casefold(), []).append(name)
    near = get_close_matches(source.casefold(), names, NEAREST, ALIKE)
    alike = [name for folded in near for name in names[folded]][:NEAREST]
    return " or ".join(repr(printable(name, LONGEST)) for name in alike)
