"""Which tests run by default, and which only by `make test-all`: variants of what another test shows already."""

import os

import pytest

EVERY_VARIANT = os.environ.get("CLIMB_TEST_VARIANTS") == "all"
variant = pytest.mark.skipif(not EVERY_VARIANT, reason="a variant of what another test shows; `make test-all` runs it")
