"""A policy decides by names and patterns; what is denied is denied whatever allows it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from climb_assets.config_corpus import Licences
from climb_assets.corpus.licences import is_permitted, unmatched_patterns

NAMES = st.sampled_from(["CC0", "CC-BY-4.0", "cc-by-nc-4.0", "MIT", "proprietary"])
PATTERNS = st.lists(st.sampled_from(["CC*", "*-NC-*", "mit", "MIT", "*", "none"]), max_size=3)


@pytest.mark.parametrize(
    ("policy", "licence", "permitted"),
    [
        ({}, None, True),
        ({}, "anything", True),
        ({"deny": ["GPL-3.0"]}, "GPL-3.0", False),
        ({"deny": ["GPL-3.0"]}, "gpl-3.0", False),
        ({"deny": ["GPL-3.0"]}, "GPL-3.0-only", True),
        ({"deny": ["GPL-*"]}, "GPL-3.0-only", False),
        ({"allow": ["CC-BY-*"]}, "CC-BY-4.0", True),
        ({"allow": ["CC-BY-*"]}, "MIT", False),
        ({"allow": ["CC-BY-*"], "deny": ["*-NC-*"]}, "CC-BY-NC-4.0", False),
        ({"allow": ["CC-BY-*"]}, None, True),
        ({"unknown": "deny"}, None, False),
        ({"unknown": "deny"}, "MIT", True),
    ],
)
def test_names_are_held_against_patterns(policy: dict, licence: str | None, permitted: bool) -> None:
    assert is_permitted(licence, Licences(**policy)) is permitted


@given(NAMES, PATTERNS, PATTERNS)
def test_a_denial_lets_nothing_in(licence: str, deny: list[str], more: list[str]) -> None:
    assert is_permitted(licence, Licences(deny=deny)) or not is_permitted(licence, Licences(deny=deny + more))
    assert not is_permitted(licence, Licences(allow=["*"], deny=[*deny, licence]))


def test_patterns_that_fit_nothing_are_named() -> None:
    policy = Licences(allow=["CC*", "APACHE-2.0"], deny=["*-nc-*"])
    assert unmatched_patterns(["CC0", "CC-BY-NC-4.0"], policy) == ["APACHE-2.0"]


@pytest.mark.parametrize("policy", [{"allow": []}, {"deny": [""]}, {"unknown": "maybe"}, {"denied": ["MIT"]}])
def test_what_is_no_policy_is_refused(policy: dict) -> None:
    with pytest.raises(ValidationError):
        Licences(**policy)
