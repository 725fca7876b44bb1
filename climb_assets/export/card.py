"""The README.md of an export: a data set card, for people and for a hub.

What belongs here: what is said of a data set, and what is not known. What comes from the corpus is escaped and cut.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from climb_assets.export.data_set import NOT_STATED, Contents, DataSet, Exported
from climb_assets.export.folder import CHECKSUMS, IDENTITY
from climb_assets.printable import markdown_cell, markdown_table

CELL = 120  # characters of a label
NOT_COUNTED = "Copies within a shard, short or unreadable records and pruned clusters are not counted here."
MOST_ROWS = 50  # of a table of labels; the data have all
MOST_IN_CELL = 3  # labels that are named in a cell
LARGEST = 5  # domains that the answer names
SIZES = (  # a hub's classes, by rows below
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
    (10**9, "100M<n<1B"),
    (10**10, "1B<n<10B"),
    (10**11, "10B<n<100B"),
    (10**12, "100B<n<1T"),
)
LARGER = "n>1T"
HUB_LICENCES = frozenset(  # of SPDX's names those that a hub knows, in its spelling
    (
        *("apache-2.0", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "gpl-2.0", "gpl-3.0", "isc", "lgpl-3.0", "mit"),
        *("cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nd-4.0"),
        *("cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-nc-nd-4.0"),
        *("mpl-2.0", "odbl", "unlicense"),
    )
)


def write_header(
    data: DataSet, contents: Contents, views: Sequence[Mapping[str, Any]], languages: Sequence[str]
) -> str:
    """Return the YAML header that a hub and `datasets` read.

    Parameters
    ----------
    views
        The ``configs``: which files make which view.
    languages
        Codes that somebody vouches for; nothing here finds out in which language a text is.
    """
    rows = contents.rows.total()
    header = {
        "pretty_name": data.title,
        **_hub_licences(contents),
        **({"language": list(languages)} if languages else {}),
        "size_categories": [next((name for below, name in SIZES if rows < below), LARGER)],
        "task_categories": ["text-generation"],
        "tags": ["climb", "data-mixture", "pretraining"],
        "configs": list(views),
    }
    return f"---\n{yaml.safe_dump(header, sort_keys=False, allow_unicode=True)}---\n\n"


def _hub_licences(contents: Contents) -> dict[str, Any]:
    """Return the licences as a hub knows them, if it knows them all; each row carries its own."""
    names = sorted(licence.casefold() for licence in contents.all_licences)
    if all(name in HUB_LICENCES for name in names):
        return {"license": names}
    return {"license": "other", "license_name": "of-each-row"}


def write_card(data: DataSet, contents: Contents, exported: Exported, languages: Sequence[str], climb: str) -> str:
    """Return the card without its header.

    Parameters
    ----------
    climb
        The version that made the export.
    """
    told = [*_tell_answer(data), *(f"**{note}**" for note in data.notes)]
    lines = [f"# {data.title}", ""]
    lines += [line for paragraph in told for line in (paragraph, "")]
    lines += [exported.in_words(), "", "## Domains", "", *_domains(data, contents), ""]
    lines += ["## Licences", "", *_licences(contents), ""]
    lines += ["## What was left out", "", *_left_out(data), ""]
    lines += ["## How it was made", "", *_how(data), ""]
    lines += ["## How to read it", "", *exported.lines, ""]
    lines += ["## What is not known", "", *_unknown(data, contents, languages), ""]
    lines += ["## Where it comes from", "", *_provenance(data, climb)]
    return "\n".join(lines) + "\n"


def _tell_answer(data: DataSet) -> list[str]:
    """Return what it is, and how sure that is."""
    shares = sorted(data.domains, key=lambda domain: -domain.weight)
    named = ", ".join(f"{domain.weight:.1%} {_text(domain.name)}" for domain in shares[:LARGEST])
    more = f" and {len(shares) - LARGEST} more domains" if len(shares) > LARGEST else ""
    tasks = ", ".join(f"{_text(task)} ({weight:g})" for task, weight in data.tasks.items())
    of = f" for `{data.objective}`" + (f", that is {tasks}," if tasks else "")
    tokens = sum(domain.tokens for domain in data.domains)
    lines = [
        "Text to pre-train a language model on: a mixture of domains that a search by CLIMB (arXiv 2504.13161) chose"
        f"{of} out of a corpus without labels. It is {named}{more}; {tokens:,} tokens in all."
    ]
    evidence = data.answer.get("evidence")
    if evidence is None:
        return [*lines, "The mixture was not confirmed with fresh seeds: it is the one that was predicted best."]
    low, high = evidence["interval"]
    measured = f"{evidence['mean']:.4f} bits per byte ({low:.4f} to {high:.4f}) over {evidence['seeds']} fresh seeds"
    return [*lines, f"Small models trained on it have {measured}; it is {_text(evidence['conclusion'], 400)}."]


def _domains(data: DataSet, contents: Contents) -> list[str]:
    columns = ("domain", "name", "weight", "wanted", "tokens", "documents", "rows", "epochs", "sources", "licences")
    rows = [
        (
            f"`{domain.key}`",
            _text(domain.name),
            f"{domain.weight:.4f}",
            f"{domain.wanted:.4f}",
            f"{domain.tokens:,}",
            f"{contents.documents[domain.number]:,}",
            f"{contents.rows[domain.number]:,}",
            f"{domain.epochs:.2f}",
            _commonest(contents.sources[domain.number]),
            _commonest(contents.licences[domain.number]),
        )
        for domain in data.domains
    ]
    return [
        *markdown_table(columns, rows),
        "",
        "`weight` is the share of tokens that is here, `wanted` the one of the mixture; `epochs` is how often the text "
        "of a domain is passed over, `rows` counts each copy of a document, which `epoch` numbers from 0.",
    ]


def _licences(contents: Contents) -> list[str]:
    lines = ["As each record of the corpus names it; nobody checked. Documents, each once:", ""]
    return lines + markdown_table(("licence", "documents"), _shortened(contents.all_licences))


def _left_out(data: DataSet) -> list[str]:
    """Return what the corpus has and no data set may have, by licence where that is why."""
    if data.left_out is None:
        return ["What was left out is not known of this version of the data set."]
    counted: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for row in data.left_out:
        by_licence = row["reason"] == "licence"
        key = (row["reason"], (row["licence"] or NOT_STATED) if by_licence else "", row["source"] if by_licence else "")
        counted[key].update(documents=row["documents"], tokens=row["tokens"])
    if not counted:
        return [f"Nothing by licence, as a copy in another shard, or for an item of a task. {NOT_COUNTED}"]
    order = sorted(counted, key=lambda key: (-counted[key]["tokens"], key))
    rows = [
        (reason, _text(licence), _text(source), f"{counts['documents']:,}", f"{counts['tokens']:,}")
        for reason, licence, source in order[:MOST_ROWS]
        for counts in [counted[reason, licence, source]]
    ]
    more = [f"And {len(order) - MOST_ROWS} more."] if len(order) > MOST_ROWS else []
    return [
        *markdown_table(("reason", "licence", "source", "documents", "tokens"), rows),
        *more,
        "",
        f"Held-out text, on which models are measured, is not here either. {NOT_COUNTED}",
    ]


def _how(data: DataSet) -> list[str]:
    mixture = data.made_from.get("mixed_corpus", {}).get("config", {}).get("mixture", {})
    lines = [
        "Documents were embedded, clustered by k-means, and the clusters pruned by quality and merged to domains. "
        "Small models were trained on candidate mixtures, a predictor was fitted on their losses, and the best "
        "mixtures were trained again with fresh seeds. Documents of each domain were then taken in the order of a "
        "hash until its share of the tokens was reached, and rows were shuffled by another hash.",
    ]
    if mixture:
        lines += [
            "",
            f"It was to have {mixture['tokens']:,} tokens, with no domain repeated more than {mixture['max_epochs']:g} "
            f"times; the seed is {mixture['seed']}.",
        ]
    return lines


def _unknown(data: DataSet, contents: Contents, languages: Sequence[str]) -> list[str]:
    summary = data.made_from.get("summary", {})
    none = contents.all_licences[NOT_STATED]
    total = contents.documents.total()
    lines = ["- Whether a licence is what its record says."]
    lines += [f"- The licence of {none:,} of {total:,} documents, which name none."] if none else []
    lines += [] if languages else ["- The languages: they were not determined."]
    lines += ["- Personal data, offensive or false text: it was not looked for."]
    lines += ["- Whether large models rank mixtures as the small ones that chose this one did."]
    if summary.get("shortfall"):
        lines += [
            f"- {summary['shortfall']:,} tokens of its budget are missing: caps forbid them, or no document fits in."
        ]
    if summary.get("domains_at_the_epoch_cap"):
        names = ", ".join(_text(name) for name in summary["domains_at_the_epoch_cap"][:MOST_ROWS])
        lines += [f"- Domains that the cap on repetition bounds, so that others have more than was wanted: {names}."]
    return [*lines, "- Text is in its normal form (NFC, no control characters, no space at line ends), not as it was."]


def _provenance(data: DataSet, climb: str) -> list[str]:
    made = data.made_from.get("mixed_corpus", {})
    versions = {"mixed_corpus": made["data_version"]} if made else {}
    rows = [(f"`{name}`", f"`{version}`") for name, version in (versions | data.made_from.get("inputs", {})).items()]
    return [
        f"climb {climb} made it. `{IDENTITY}` says from which artefacts, and `sha256sum --check {CHECKSUMS}` whether "
        "the files are as they were written.",
        *(["", *markdown_table(("artefact", "data version"), rows)] if rows else []),
    ]


def _shortened(counts: Counter[str]) -> list[tuple[str, str]]:
    """Return the commonest labels with their counts, by name, and what the others sum up to."""
    commonest = sorted(counts.most_common(MOST_ROWS))
    rows = [(_text(label), f"{count}") for label, count in commonest]
    rest = counts.total() - sum(count for _, count in commonest)
    return rows + ([(f"{len(counts) - MOST_ROWS} others", f"{rest}")] if len(counts) > MOST_ROWS else [])


def _commonest(counts: Counter[str]) -> str:
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    named = "; ".join(f"{_text(label, 40)} {count}" for label, count in order[:MOST_IN_CELL])
    return named + (f"; {len(order) - MOST_IN_CELL} more" if len(order) > MOST_IN_CELL else "")


def _text(text: str, most: int = CELL) -> str:
    return markdown_cell(text, most)
