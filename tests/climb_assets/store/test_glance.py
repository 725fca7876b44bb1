"""What is remembered of a bucket, and when it may be taken for what lies there."""

import pytest

from climb_assets.store.bucket_objects import Listed, Object, Version
from climb_assets.store.glance import Memory

READ = Object(b"old", {}, None, 0.0)


@pytest.mark.parametrize(
    ("read", "listed", "taken"),
    [
        ({"e_tag": "1"}, {"e_tag": "1"}, True),
        ({"e_tag": "1", "version": "7"}, {"e_tag": "1"}, True),  # a listing tells no versions on S3
        ({"e_tag": "1"}, {"e_tag": "2"}, False),
        ({"version": "7"}, {"version": "8"}, False),
        ({}, {}, False),
    ],
)
def test_what_was_read_before_is_taken_only_where_a_tag_says_it_is_the_same(
    read: Version, listed: Version, taken: bool
) -> None:
    memory = Memory()
    memory.note("refs/one/_", READ._replace(version=read))
    found = memory.recall(Listed("refs/one/_", 3, 0.0, listed))
    assert (found is not None) == taken
