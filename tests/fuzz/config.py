"""climb.yaml: whatever stands in it is a configuration that can be hashed, or one sentence."""

import functools
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from numpy.random import Generator
from pydantic import BaseModel

from climb_assets.config import Config
from climb_assets.config_file import PROFILES, load_config
from tests.fuzz.hostile import chance, damage, hostile_text, pick

ROOT = Path(__file__).parents[2]
SCALARS = (
    *(
        ".nan",
        ".inf",
        "-.Inf",
        "1e400",
        "1e-400",
        "-0.0",
        "0",
        "-1",
        "1",
        "2",
        "3.0",
        "2e9",
        "9" * 5000,
        "0x1F",
        "0o17",
        "1_0",
    ),
    *("12:30:45", "2024-01-01", "yes", "true", "~", "", "{}", "[]", "''", "null", '"\\0"', '"\\ud800"', '"\\e[2J"'),
    *("[" * 900, "{a: " * 900, "- " * 50 + "x", "&a x", "*a", "!!python/name:os.system x", "!!binary aGk=", "!local x"),
    *(
        "{<<: *a}",
        "{a: 1, a: 2}",
        "? [x]",
        "|\n  x",
        "'\u202e'",
        "日本語",
        '"' + "x" * 5000 + '"',
        "../../..",
        "/",
        "/dev/null",
        "~/x",
    ),
    *(
        "[0.5, 0.2]",
        "[1, 1]",
        "[[1]]",
        "{general: {arc: 1}}",
        "{a: {kind: text, sources: [a]}}",
        "{start: x, size: 62M}",
        "auto",
    ),
)


def run_case(random: Generator, folder: Path) -> Counter[str]:
    """Read a configuration, and write down what would enter a fingerprint."""
    path = folder / "climb.yaml"
    path.write_bytes(_content(random))
    config = load_config(path, pick(random, (None, None, None, "smoke", "paper", hostile_text(random, 2))))
    json.dumps(config.model_dump(mode="json"), allow_nan=False).encode()
    return Counter(accepted=1)


def _content(random: Generator) -> bytes:
    text = pick(random, _written()) if chance(random, 0.5) else _make_text(random)
    if chance(random, 0.2):
        text += _make_text(random)
    data = text.encode("utf-8", "surrogatepass")
    if chance(random, 0.05):
        return text.encode("utf-16", "surrogatepass")
    return damage(random, data) if chance(random, 0.3) else data


def _make_text(random: Generator) -> str:
    """Return keys that there are, some of them with odd values."""
    lines = []
    for _ in range(int(random.integers(1, 3))):
        *sections, key = pick(random, _keys())
        value = pick(random, SCALARS) if chance(random, 0.9) else json.dumps(hostile_text(random))
        lines += [f"{'  ' * depth}{section}:" for depth, section in enumerate(sections)]
        lines.append(f"{'  ' * len(sections)}{key if chance(random, 0.95) else hostile_text(random, 1)}: {value}")
    return "\n".join(lines) + "\n"


@functools.cache
def _written() -> list[str]:
    """Return the profiles, and what README and docs show."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    shown = [
        block
        for page in pages
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    ]
    return shown + [path.read_text(encoding="utf-8") for path in sorted(PROFILES.glob("*.yaml"))]


@functools.cache
def _keys() -> list[tuple[str, ...]]:
    """Return the place of each key, of the model and of what is written."""
    written = [yaml.safe_load(text) for text in _written()]
    return sorted(
        {*_of_model(Config), *(place for tree in written if isinstance(tree, dict) for place in _of_tree(tree))}
    )


def _of_model(section: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    for name, field in section.model_fields.items():
        yield (name,)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from ((name, *place) for place in _of_model(field.annotation))


def _of_tree(tree: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, value in tree.items():
        yield (str(name),)
        if isinstance(value, dict):
            yield from ((str(name), *place) for place in _of_tree(value))
