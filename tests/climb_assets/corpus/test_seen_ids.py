"""It answers as a set does, however many ids there are and whatever bytes they hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.corpus import seen_ids
from climb_assets.corpus.seen_ids import SeenIds

# Ids that share their first bits or end in zeros, which NumPy's strings leave out.
KEYS = st.integers(0, 3).flatmap(
    lambda zeros: st.binary(min_size=1, max_size=2).map(lambda head: head.ljust(16 - zeros, b"\1").ljust(16, b"\0"))
)


@given(st.lists(KEYS | st.binary(min_size=16, max_size=16), max_size=60), st.integers(1, 8))
def test_it_answers_as_a_set_does(keys: list[bytes], recent: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seen_ids, "RECENT", recent)
        ids, known = SeenIds(), set[bytes]()
        for key in [*keys, *keys]:
            assert ids.add(key) is (key not in known)
            known.add(key)


def test_a_hundred_thousand_ids_are_new_once() -> None:
    drawn = np.random.default_rng(0).bytes(16 * 100_000)
    keys = [drawn[start : start + 16] for start in range(0, len(drawn), 16)]
    ids = SeenIds()
    assert all(ids.add(key) for key in keys)
    assert not any(ids.add(key) for key in keys)
