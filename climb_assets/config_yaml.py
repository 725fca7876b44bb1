"""Reading YAML strictly: every key once, plain values, and an error that names the line.

What belongs here: from a file's bytes to dictionaries, lists and scalars. Which keys there are is
`climb_assets.config`. The text is looked at event by event before a tree is built of it, so neither depth nor anchors
that multiply can cost more than the text is long.
"""

import math
import re
import unicodedata
from pathlib import Path
from typing import Any

import yaml

from climb_assets.errors import ConfigError
from climb_assets.printable import printable

MOST_BYTES = 2**20  # a configuration that somebody wrote is some kilobytes
MOST_LEVELS = 32  # the deepest key of `climb_assets.config` is at level 5
BOOLEAN = re.compile(r"^(true|True|TRUE|false|False|FALSE)$")
NULL = re.compile(r"^(~|null|Null|NULL|)$")
INTEGER = re.compile(r"^[-+]?[0-9][0-9_]*$")
FLOAT = re.compile(
    r"^([-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$"
)


def read_yaml(path: Path, advice: str) -> dict[str, Any]:
    """Return the keys and values of a YAML file; an empty file has none.

    Numbers are read as in YAML 1.2, so ``2e9`` is one.

    Parameters
    ----------
    advice
        What to do where the file cannot be read.

    Raises
    ------
    ConfigError
        The file cannot be read, is not YAML or not keys and values, has a key twice, or holds what no setting can be:
        an infinite number, a control character, an anchor, a tag.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path} ({error.strerror}); {advice}") from None
    except ValueError:  # a NUL in the path
        raise ConfigError(f"cannot read {str(path)!r}, which is no path; {advice}") from None
    if len(data) > MOST_BYTES:
        raise ConfigError(f"{path} has {len(data)} bytes, at most {MOST_BYTES} are read; {advice}")
    try:
        text = data.decode("utf-8-sig")
        values = _load(text, path)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{path} is not YAML{line}: {printable(str(error.problem))}; correct it there") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {printable(' '.join(str(error).split()))}; correct it") from None
    if values is not None and not isinstance(values, dict):
        raise ConfigError(f"{path} must hold keys and values, not a {type(values).__name__}, such as `profile: demo`")
    return values or {}


class _Loader(yaml.SafeLoader):
    """Builds plain values and refuses what would not be read as it is written."""

    path: Path

    def refuse(self, mark: yaml.Mark, what: str) -> ConfigError:
        return ConfigError(f"{self.path}, line {mark.line + 1}: {what}")

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[str, int] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int) or isinstance(key, bool):
                raise self.refuse(key_node.start_mark, f"the key {_shown(key_node)} is no text; put it in quotes")
            if str(key) in lines:  # 3 and "3" are one name
                raise self.refuse(
                    key_node.start_mark,
                    f"the key {printable(str(key))!r} stands in line {lines[str(key)]} too; make one of the two",
                )
            lines[str(key)] = key_node.start_mark.line + 1
        return super().construct_mapping(node, deep=True)

    def construct_number(self, node: yaml.ScalarNode) -> float | int:
        text = str(self.construct_scalar(node)).replace("_", "")
        try:
            number = int(text) if INTEGER.fullmatch(text) else float(text)
        except ValueError:  # ".inf", or more digits than Python reads
            number = math.inf
        if isinstance(number, float) and not math.isfinite(number):
            raise self.refuse(
                node.start_mark,
                f"{_shown(node)} is no number that a setting can be; give a finite one or null",
            )
        return number

    def construct_text(self, node: yaml.ScalarNode) -> str:
        text = str(self.construct_scalar(node))
        if any(unicodedata.category(letter) in ("Cc", "Cs") and letter not in "\n\t" for letter in text):
            raise self.refuse(node.start_mark, f"{_shown(node)} holds a control character; take it out")
        return text


# Only what YAML 1.2 calls its core schema: no dates, no base 60, no yes and no; an exponent needs no point.
_Loader.yaml_implicit_resolvers = {}
for _kind, _pattern, _first in (
    ("bool", BOOLEAN, "tTfF"),
    ("null", NULL, ["~", "n", "N", ""]),
    ("int", INTEGER, "-+0123456789"),
    ("float", FLOAT, "-+0123456789."),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", _pattern, list(_first))
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:str", _Loader.construct_text)


def _load(text: str, path: Path) -> Any:
    _refuse_structure(text, path)
    loader = _Loader(text)
    loader.path = path
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _refuse_structure(text: str, path: Path) -> None:
    """Refuse what would make building the tree cost more than the text: depth, anchors; and tags, which name types."""
    level = 0
    event: Any
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise ConfigError(f"{path}, line {line}: anchors and aliases are not read; write the value out")
        if getattr(event, "tag", None) is not None:
            raise ConfigError(f"{path}, line {line}: the tag {printable(str(event.tag))} is not read; drop it")
        level += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if level > MOST_LEVELS:
            raise ConfigError(f"{path}, line {line}: more than {MOST_LEVELS} levels; no setting lies so deep")


def _shown(node: yaml.Node) -> str:
    return printable(str(node.value), 40) if isinstance(node, yaml.ScalarNode) else "a list or a mapping"
