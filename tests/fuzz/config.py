"""climb.yaml: whatever stands in it is a configuration that can be written down, or one sentence."""

import functools
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import yaml
from numpy.random import Generator
from pydantic import BaseModel

from climb_assets.config import Config
from climb_assets.config_file import PROFILES, load_config
from tests.fuzz.hostile import chance, damage, hostile_json, hostile_text, hostile_value, pick

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "docs" / "config.md", ROOT / "docs" / "design.md")
PLAIN = ("1", "2", "4", "100", "0.1", "0.5", "true", "false", "null", "text", "[0.25, 0.5]")
VALUES = (
    *(".nan", ".inf", "-.Inf", "1e400", "1e-400", "-0.0", "0", "-1", "1", "2", "3.0", "2e9", "9" * 5000, "0x1F", "1_0"),
    *("0o17", "12:30:45", "2024-01-01", "yes", "true", "~", "", "{}", "[]", "''", "null", "auto", '"\\0"', '"\\ud800"'),
    *('"\\e[2J"', "'\u202e'", "日本語", '"' + "x" * 5000 + '"', "../../..", "/", "/dev/null", "~/x", "|\n  x", "? [x]"),
    *("[" * 900, "{a: " * 900, "- " * 50 + "x", "&a x", "*a", "!!python/name:os.system x", "!!binary aGk=", "!local x"),
    *("{<<: *a}", "{a: 1, a: 2}", "[0.5, 0.2]", "[1, 1]", "[[1]]", "{a: {b: 1}}", "{a: {kind: text, sources: [a]}}"),
)


def run_case(random: Generator, folder: Path) -> Counter[str]:
    """Read a configuration, and write it down as fingerprints do."""
    path = folder / "climb.yaml"
    path.write_bytes(_content(random))
    profile = pick(random, ("smoke", "demo", "paper", hostile_text(random, 2))) if chance(random, 0.2) else None
    config = load_config(path, profile)
    json.dumps(config.model_dump(mode="json"), allow_nan=False).encode()
    return Counter(accepted=1)


def _content(random: Generator) -> bytes:
    text = pick(random, (_keys_with_odd_values, _keys_with_odd_values, _snippet, _tree))(random)
    if chance(random, 0.05):
        return text.encode("utf-16", "surrogatepass")
    data = text.encode("utf-8", "surrogatepass")
    return damage(random, data) if chance(random, 0.3) else data


def _keys_with_odd_values(random: Generator) -> str:
    lines = []
    for _ in range(int(random.integers(1, 3))):
        *sections, key = pick(random, _keys())
        lines += [f"{'  ' * depth}{section}:" for depth, section in enumerate(sections)]
        value = pick(random, PLAIN if chance(random, 0.5) else VALUES)
        lines.append(f"{'  ' * len(sections)}{key}: {value}")
    return "\n".join(lines)


def _snippet(random: Generator) -> str:
    return "".join(pick(random, _snippets()) for _ in range(int(random.integers(1, 3))))


def _tree(random: Generator) -> str:
    tree = {str(pick(random, _keys())[0]): hostile_value(random) for _ in range(int(random.integers(1, 4)))}
    try:
        return yaml.safe_dump(tree)
    except (yaml.YAMLError, ValueError):  # a decimal, which YAML has not; 5,000 digits
        return hostile_json(random, tree).decode("utf-8", "surrogatepass")


@functools.cache
def _snippets() -> list[str]:
    """Return the profiles, and what the pages show."""
    pages = [page.read_text(encoding="utf-8") for page in PAGES]
    shown = [snippet for page in pages for snippet in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    return shown + [path.read_text(encoding="utf-8") for path in sorted(PROFILES.glob("*.yaml"))]


@functools.cache
def _keys() -> list[tuple[str, ...]]:
    return sorted(_keys_of(Config))


def _keys_of(section: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    """Yield the place of each key."""
    for name, field in section.model_fields.items():
        yield (name,)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from ((name, *place) for place in _keys_of(field.annotation))
