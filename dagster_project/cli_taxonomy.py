"""The commands of `climb` that take the taxonomy along: exporting it, and labelling text with it.

What belongs here: arguments and printing; the work is done by `climb_assets.clusters.taxonomy` and `classify`.
"""

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tabulate import tabulate

from climb_assets.graph.materializer import Materializer
from climb_assets.printable import printable
from climb_assets.store.files import real_path
from dagster_project.cli_options import json_option, notice, require_outside, stale_option
from dagster_project.private_files import load_privately
from dagster_project.strict_json import to_json

if TYPE_CHECKING:
    from climb_assets.clusters.taxonomy import Taxonomy

NODES = (("cluster_model", None), ("domains", None))  # what a taxonomy is
folder_type = click.Path(file_okay=False, path_type=Path)


@click.command("export-taxonomy", epilog="Example: climb export-taxonomy taxonomy/ --with-encoder")
@click.argument("folder", type=folder_type)
@click.option("--with-encoder", is_flag=True, help="Copy the encoder too, so that no hub is needed to label text.")
@stale_option
def export_taxonomy(folder: Path, with_encoder: bool, stale_too: bool) -> None:
    """Write the clusters and domains as a folder with which `climb classify` labels text anywhere."""
    from climb_assets.clusters.taxonomy import Taxonomy
    from dagster_project.generations import look_at_generations, require_current

    materializer = Materializer(load_privately(notice=notice))
    require_outside(folder, materializer.config)
    with materializer.store.in_use():
        taxonomy = Taxonomy.of_lake(materializer)
        complaint = require_current(look_at_generations(materializer), NODES, stale_too=stale_too)
        if complaint is not None:
            notice(complaint)
        taxonomy.export(folder, with_encoder=with_encoder)
    facts = taxonomy.facts
    click.echo(f"{folder}")
    click.echo(f"{len(facts.domains)} domains of {facts.clusters.number} clusters, generation {facts.generation}.")


@click.command(epilog="Example: climb classify new.jsonl.zst --out labels.parquet")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--taxonomy", "folder", type=folder_type, help="A folder of `climb export-taxonomy`; default: that of the lake."
)
@click.option("--encoder", type=folder_type, help="The encoder's folder, where --taxonomy has no copy of it.")
@click.option("--text-column", help="The column or key of the text; default: as in the corpus of the taxonomy.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A row a record, .parquet or .jsonl.")
@json_option
def classify(
    files: tuple[Path, ...],
    folder: Path | None,
    encoder: Path | None,
    text_column: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Say to which domains the texts of files belong; every format of the raw folder is read."""
    from climb_assets.clusters.classify import Account, classify_files, require_known_output, write_labels

    if out is not None:
        require_known_output(out)
        if real_path(out) in map(real_path, files):
            raise click.BadParameter(f"{out} is one of the files to read; name another")
    taxonomy = _open_taxonomy(folder, encoder, out)
    if text_column is not None:
        taxonomy = taxonomy.reading(text_column=text_column)
    account = Account()
    batches = classify_files(taxonomy, files, account)
    if out is None:
        deque(batches, maxlen=0)
    else:
        write_labels(batches, out)
    counted = account.as_json(taxonomy)
    click.echo(to_json(counted) if as_json else _describe(counted))


def _open_taxonomy(folder: Path | None, encoder: Path | None, out: Path | None) -> "Taxonomy":
    """Return the taxonomy of a folder or, without one, of the lake."""
    from climb_assets.clusters.taxonomy import Taxonomy
    from dagster_project.generations import look_at_generations

    if folder is not None:
        return Taxonomy.load(folder, encoder)
    if encoder is not None:
        raise click.BadParameter("--encoder goes with --taxonomy; the lake's encoder is encoder.model of climb.yaml")
    materializer = Materializer(load_privately(notice=notice))
    if out is not None:
        require_outside(out, materializer.config)
    taxonomy = Taxonomy.of_lake(materializer)
    complaint = look_at_generations(materializer).complaint(NODES)
    if complaint is not None:
        notice(complaint)
    return taxonomy


def _describe(counted: dict[str, Any]) -> str:
    """Return what was labelled as a table, and what could not be read in a line for each file and reason."""
    rows = [
        [row["domain"], printable(row["name"], 60), row["records"], f"{row['share']:.1%}"] for row in counted["domains"]
    ]
    rows += [
        [None, f"pruned by {row['pruned_by']}", row["records"], f"{row['share']:.1%}"] for row in counted["pruned"]
    ]
    lines = [tabulate(rows, ["domain", "name", "records", "share"], disable_numparse=True)]
    lines.append(f"{counted['labelled']} records labelled.")
    for row in counted["quarantined"]:
        what = "all that is left" if row["rest_of_file"] else row["records"]
        lines.append(f"Not read: {what} of {printable(row['file'])}, {row['reason']}.")
    return "\n".join(lines)
