"""The layout of Hugging Face: rows in the order to train in, and the same rows by domain.

What belongs here: the files, and what `datasets` is told of them. The card's words are `card`.

The text lies there twice. A view is a list of whole files, and no list of the same files is both: files by domain, one
after the other, are not shuffled, and each shuffled file holds all domains.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from climb_assets.export.by_domain import open_parquet, paths_by_domain, write_by_domain
from climb_assets.export.data_set import Contents, DataSet, Domain, Exported
from climb_assets.export.folder import unless_there, write_unless_there
from climb_assets.numbered_names import pad_number
from climb_assets.simplex.mixtures import document_shares
from climb_assets.tables import count_rows

SHUFFLED, BY_DOMAIN, INTERLEAVE = "data", "domains", "interleave.json"
SEED = 42  # of the snippet; any other will do


def write_huggingface(data: DataSet, contents: Contents, out: Path) -> Exported:
    """Write ``data/train-*.parquet``, which are the parts of the data set, and the files by domain.

    Those by domain come first: for them each part is read with its checksums, and copied is what could be read.
    """
    by_domain, shuffled = write_interleave(data, contents, out), 0
    count = len(data.parts)
    for number, part in enumerate(data.parts):
        path = out / SHUFFLED / f"train-{pad_number(number, count)}-of-{pad_number(count, count)}.parquet"
        with unless_there(path) as temporary:
            if temporary is not None:
                shutil.copyfile(part, temporary)
        shuffled += count_rows(path)
    in_both = min(shuffled, by_domain.training)
    return replace(by_domain, training=in_both, lines=[*_SHUFFLED, "", *by_domain.lines])


_SHUFFLED = [
    "Shuffled, in the order to train in:",
    "",
    "```python",
    "from datasets import load_dataset",
    "",
    'rows = load_dataset("FOLDER", split="train")',
    "```",
    "",
    f"or in DuckDB: `FROM 'FOLDER/{SHUFFLED}/*.parquet'`.",
]


def write_interleave(data: DataSet, contents: Contents, out: Path) -> Exported:
    """Write ``domains/domain-*.parquet``, the rows of each domain, and with which probabilities to draw from them."""
    paths = paths_by_domain(data.domains, out / BY_DOMAIN, ".parquet")
    write_by_domain(data, paths, open_parquet)
    how = json.dumps(describe_interleaving(data, contents), indent=1, ensure_ascii=False) + "\n"
    write_unless_there(out / INTERLEAVE, how.encode())
    return Exported(sum(map(count_rows, paths.values())), lines=_snippet(data.domains))


def describe_interleaving(data: DataSet, contents: Contents) -> dict[str, Any]:
    """Return what `datasets.interleave_datasets` needs.

    It draws documents and not tokens, so probabilities are shares of the rows (`document_shares`). Rows repeat a
    document as often as the mixture does; whoever stops at the first domain that is exhausted repeats none more often.
    """
    rows = [contents.rows[domain.number] for domain in data.domains]
    weights, tokens = [domain.weight for domain in data.domains], [domain.tokens for domain in data.domains]
    return {
        "splits": [split_name(domain) for domain in data.domains],
        "names": [domain.name for domain in data.domains],
        "probabilities": document_shares(weights, rows, tokens).tolist(),
        "token_shares": weights,
        "tokens": tokens,
        "rows": rows,
        "stopping_strategy": "first_exhausted",
        "seed": SEED,
    }


def split_name(domain: Domain) -> str:
    """Return what a domain is called as a split; those have no hyphens."""
    return domain.key.replace("-", "_")


def describe_views(domains: Sequence[Domain], *, shuffled: bool) -> list[dict[str, Any]]:
    """Return the ``configs`` of a card's header."""
    splits = [{"split": split_name(one), "path": f"{BY_DOMAIN}/{one.key}.parquet"} for one in domains]
    by_domain: dict[str, Any] = {"config_name": "domains", "data_files": splits}
    if not shuffled:
        return [by_domain | {"default": True}]
    files = [{"split": "train", "path": f"{SHUFFLED}/train-*.parquet"}]
    return [{"config_name": "default", "data_files": files, "default": True}, by_domain]


def _snippet(domains: Sequence[Domain]) -> list[str]:
    return [
        f"By domain, each a split (`{split_name(domains[0])}`, ...), drawn by the weights:",
        "",
        "```python",
        "import json",
        "from datasets import interleave_datasets, load_dataset",
        "",
        'domains = load_dataset("FOLDER", "domains")',
        f'how = json.load(open("FOLDER/{INTERLEAVE}"))',
        "mixed = interleave_datasets(",
        '    [domains[split] for split in how["splits"]],',
        '    probabilities=how["probabilities"], seed=how["seed"], stopping_strategy=how["stopping_strategy"],',
        ")",
        "```",
        "",
        "Probabilities are of documents, as `interleave_datasets` draws them; the shares of tokens that they lead to "
        f"are `token_shares` of `{INTERLEAVE}`.",
    ]
