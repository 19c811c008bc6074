"""Any JSON that a server may send, for property tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


def odd_rows(fields: Iterable[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Rows that have some of these fields, each with any value, or with an id that no whole number is."""
    impossible = st.sampled_from([{"id": 2.0**64}, {"id": float("inf")}])
    return st.dictionaries(st.sampled_from([*fields]), json_values) | impossible
