"""Reading YAML strictly: nothing is lost in silence, and whatever stands in the file is one sentence or values."""

from pathlib import Path
from typing import Any

import pytest

from climb_assets.config_yaml import read_yaml
from climb_assets.errors import ConfigError

BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


def read(folder: Path, text: str | bytes) -> dict[str, Any]:
    """Read a file that holds this."""
    path = folder / "climb.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return read_yaml(path, "give another")


def test_a_key_twice_names_both_lines(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="line 3: the key 'mixture' stands in line 1 too; make one of the two"):
        read(tmp_path, "mixture: {tokens: 1}\nsearch: {}\nmixture: {max_epochs: 2}\n")
    with pytest.raises(ConfigError, match="line 4: the key 'pool' stands in line 2 too"):
        read(tmp_path, "search:\n  pool: 1\n  limits: {}\n  pool: 2\n")
    with pytest.raises(ConfigError, match="the key '3' stands in line 1 too"):  # one domain, two ceilings
        read(tmp_path, 'ceilings: {3: 0.1, "3": 0.2}')


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2e9", 2e9),
        ("-1.5E-3", -1.5e-3),
        ("1_000", 1000),
        ("010", 10),
        ("yes", "yes"),
        ("12:30", "12:30"),
        ("2020-01-01", "2020-01-01"),
        ("True", True),
        ("~", None),
        ("", None),
        ("'2e9'", "2e9"),
        ("日本語", "日本語"),
    ],
)
def test_values_are_read_as_they_are_written(tmp_path: Path, text: str, value: Any) -> None:
    found = read(tmp_path, f"key: {text}\n")["key"]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("key: .inf", r"line 1: \.inf is no number that a setting can be; give a finite one or null"),
        ("key: -.Inf", "is no number"),
        ("key: .nan", "is no number"),
        ("key: 1e999", "is no number"),
        ("key: " + "1" * 5000, r"line 1: 1{17} \.\.\. 1{17} is no number"),
        ("key: " + "[" * 900, "more than 32 levels"),
        ("key:\n" + "".join(" " * depth + "a:\n" for depth in range(1, 900)), "more than 32 levels"),
        (BOMB, "line 1: anchors and aliases are not read; write the value out"),
        ("a: &a [*a]", "anchors and aliases"),
        ("key: !!timestamp x", "the tag .*timestamp is not read"),
        (r'key: "a\0b"', r"line 1: a\\x00b holds a control character"),
        (r'key: "\ud800"', "holds a control character"),
        (r'key: "\e[2J"', r"\\x1b\[2J holds a control character"),
        ("true: 1", "the key true is no text; put it in quotes"),
        ("? [a]\n: 1", "the key a list or a mapping is no text"),
        ("- a", "must hold keys and values, not a list"),
        ("a: b: c", "is not YAML, line 1: mapping values are not allowed here"),
        (b"key: \xff\xfe", "is not UTF-8"),
        (b"key: \x1b", "is not YAML"),
        ("#" * (2**20 + 1), "has 1048577 bytes"),
    ],
)
def test_what_no_setting_can_be_is_one_sentence(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"No such file or directory.*give another"):
        read_yaml(tmp_path / "climb.yaml", "give another")
    with pytest.raises(ConfigError, match="is no path; give another"):
        read_yaml(tmp_path / "a\0b", "give another")
