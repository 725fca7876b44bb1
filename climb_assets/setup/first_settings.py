"""The first settings of a project: what of a profile does not fit a corpus, and tasks made of its own held-out text.

What belongs here: choosing, from a sample of the raw files and from the machine. Every choice is a line of climb.yaml
that its owner may change; what is not written there is the profile's.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from climb_assets.config import RESERVED, Config, Corpus
from climb_assets.config_corpus import Settle
from climb_assets.config_file import PROFILES
from climb_assets.config_yaml import read_yaml
from climb_assets.corpus.raw_opening import open_raw
from climb_assets.corpus.raw_place import RawPlace
from climb_assets.errors import CorpusError
from climb_assets.setup.raw_sample import RawSample, find_text_column, in_bytes, sample_raw

SMALL, LARGE, HUGE = 3e6, 1e8, 1e10  # bytes of text from which profiles fit: demo, evening, paper
EVENING_CORES = 8  # with fewer an evening is a night
TOKEN_BYTES = 3.5  # of text in a token, about
SHORT_TOKEN_BYTES = {"smoke": 2.0}  # the same of profiles of a small vocabulary
CLUSTER_DOCUMENTS = 20  # to train on in one of k-means' clusters, at least
DOMAIN_CLUSTERS = 3  # in a domain, about
MOST_TASKS, MOST_DOCUMENTS = 6, 48
ENOUGH = 8  # held-out documents in one part of a task; beside it, sources with half as many are tasks too
TAKES = {
    "smoke": "seconds; models too small to tell much",
    "demo": "some minutes on two cores",
    "evening": "hours on two cores",
    "paper": "days of GPUs",
}


@dataclass(frozen=True)
class FirstSettings:
    """What climb.yaml is to say, and why.

    Parameters
    ----------
    values
        The keys and values of climb.yaml without places.
    notes
        Why a value is what it is, by its key.
    """

    profile: str
    values: dict[str, Any]
    notes: dict[str, str]


def profile_config(profile: str) -> Config:
    """Return the settings of a profile alone."""
    return Config.model_validate(read_yaml(PROFILES / f"{profile}.yaml", "reinstall the package"))


def choose_profile(text_bytes: float, cores: int, device: str) -> str:
    """Return the profile that fits so much text on such a machine."""
    if text_bytes < SMALL:
        return "smoke"
    if device == "cuda" and text_bytes >= HUGE:
        return "paper"
    strong = device == "cuda" or cores >= EVENING_CORES
    return "evening" if strong and text_bytes >= LARGE else "demo"


def sampling_settings(corpus: Corpus) -> Corpus:
    """Return settings by which raw files are looked at as they are now, also those that changed a moment ago."""
    return corpus.model_copy(update={"settle": Settle(seconds=0)})


def open_as_it_is(config: Config) -> RawPlace:
    """Return the place of a project's raw files, which are looked at as they are now; see `sampling_settings`."""
    return open_raw(config.model_copy(update={"corpus": sampling_settings(config.corpus)}))


def look_at(place: RawPlace, profile: str, raw: Path | str) -> tuple[RawSample, str]:
    """Return a sample of raw files as a profile reads them, and the column that holds their text.

    Raises
    ------
    CorpusError
        Nothing of them is a document.
    """
    corpus = sampling_settings(profile_config(profile).corpus).model_copy(update={"raw": raw})
    corpus = corpus.model_copy(update={"text_column": find_text_column(place, corpus)})
    sample = sample_raw(place, corpus)
    if not sample.total:
        reasons = [f"{kind}: {one.in_words()}" for kind, one in sample.formats.items()]
        raise CorpusError(
            f"{place} holds no text that can be used ({'; '.join(reasons)}); give records a column `text`, or texts of "
            f"{corpus.min_characters} characters and more"
        )
    return sample, corpus.text_column


def choose_settings(sample: RawSample, profile: str, text_column: str) -> FirstSettings:
    """Return the first settings for a corpus.

    Raises
    ------
    CorpusError
        No source has enough held-out text for a task.
    """
    config, notes = profile_config(profile), {"profile": TAKES[profile]}
    values: dict[str, Any] = {"profile": profile}
    if text_column != "text":
        values["corpus"] = {"text_column": text_column}
    train = sample.of_split("train")
    most = max(2 * DOMAIN_CLUSTERS, train // CLUSTER_DOCUMENTS)
    if most < config.clusters.count:
        domains = max(2, min(config.clusters.domains or most, most // DOMAIN_CLUSTERS))
        values["clusters"] = {"count": most, "merge_distance": None, "domains": domains}
        notes["clusters"] = f"about {train:,} documents to train on"
    tokens = sample.text_bytes * train / max(1, sample.total) / SHORT_TOKEN_BYTES.get(profile, TOKEN_BYTES)
    if tokens < config.mixture.tokens:
        values["mixture"] = {"tokens": max(_round_down(tokens), config.proxy.trained_tokens)}
        notes["mixture"] = f"what the target model is trained on; the corpus has about {tokens:,.0f} tokens to train on"
    else:
        notes["mixture"] = f"{config.mixture.tokens:,} tokens are the profile's; set those of your target model"
    tasks = _choose_tasks(sample, config.corpus)
    values["tasks"] = tasks
    values["objectives"] = {"general": {name: 1 for name, task in tasks.items() if "split" not in task}}
    notes["tasks"] = "what the mixture is to be good at: held-out text of these sources"
    return FirstSettings(profile, values, notes)


def _choose_tasks(sample: RawSample, corpus: Corpus) -> dict[str, Any]:
    """Return a text task for each of the largest sources, and one that only reports on all of them."""
    counts = {source: sample.held_out(source, "search_eval") // 2 for source in sample.documents}
    least = max(1, min(ENOUGH, max(counts.values())) // 2)
    chosen = sorted((source for source in counts if counts[source] >= least), key=lambda one: (-counts[one], one))
    if not chosen:
        raise CorpusError(
            f"of about {sample.total} documents no source has the two held-out ones that a task needs; bring more "
            f"text, such as {in_bytes(SMALL)} of it, or put what belongs together into one folder"
        )
    tasks: dict[str, Any] = {}
    for source in chosen[:MOST_TASKS]:
        documents = min(MOST_DOCUMENTS, counts[source])
        tasks[_name(source, tasks)] = {"kind": "text", "sources": [source], "documents": documents}
    reported = [source for source in chosen[:MOST_TASKS] if sample.held_out(source, "report_eval") >= 1]
    if reported:
        held = min(sample.held_out(source, "report_eval") for source in reported)
        documents = min(MOST_DOCUMENTS, max(1, held))
        name = _name("unseen", tasks)
        tasks[name] = {"kind": "text", "sources": reported, "documents": documents, "split": "report_eval"}
    return tasks


def _name(source: str, taken: dict[str, Any]) -> str:
    """Return a name for a task, of letters that a name may have; none that a column of climb's own has."""
    stem = re.sub(r"[^A-Za-z0-9_]+", "_", source.split(".")[0]).strip("_")[:40] or "text"
    name, number = stem, 2
    while name in taken or name in RESERVED:
        name, number = f"{stem}_{number}", number + 1
    return name


def _round_down(number: float) -> int:
    """Return a number with its first two digits."""
    whole = int(number)
    scale: int = 10 ** max(0, len(str(whole)) - 2)
    return whole // scale * scale
