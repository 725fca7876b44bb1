"""The command line: `python -m tests.fuzz --cases 20000 --seed 0` prints a table and exits with 1 at any finding."""

import sys
import tempfile
from pathlib import Path

import click
from tabulate import tabulate

from tests.fuzz.campaign import SHARES, Tally, run_target

COLUMNS = ("accepted", "refused", "read", "kept", "filtered", "quarantined")


@click.command()
@click.option("--cases", default=20_000, show_default=True, help="Of all targets together.")
@click.option("--seed", default=0, show_default=True)
@click.option("--only", type=click.Choice(sorted(SHARES)), multiple=True, help="These targets, which share the cases.")
@click.option("--first", default=0, show_default=True, help="Number of each target's first case: to go on, or repeat.")
def main(cases: int, seed: int, only: tuple[str, ...], first: int) -> None:
    """Fuzz readers, configuration, tasks, swarm tables and names."""
    shares = {target: share for target, share in SHARES.items() if not only or target in only}
    tallies = []
    with tempfile.TemporaryDirectory() as folder:
        for target, share in shares.items():
            numbers = range(first, first + -(-cases * share // sum(shares.values())))
            tallies.append(run_target(target, numbers, seed, Path(folder), _tell))
    click.echo(tabulate([_row(tally) for tally in tallies], headers="keys", tablefmt="github"))
    sys.exit(any(tally.findings for tally in tallies))


def _row(tally: Tally) -> dict[str, object]:
    return {
        "target": tally.target,
        "cases": tally.cases,
        **{name: tally.counts[name] for name in COLUMNS},
        "findings": len(tally.findings),
        "dead": tally.dead,
        "seconds": round(tally.seconds),
        "MiB": tally.peak // 1024,
    }


def _tell(finding: str) -> None:
    click.echo(finding, err=True)


if __name__ == "__main__":
    main()
