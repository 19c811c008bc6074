"""Names as a pipeline's author or a shop may choose them, at the worst."""

from typing import Any

from hypothesis import strategies as st

NASTY = st.one_of(
    st.sampled_from(
        ["..", "/", "\\", "../../etc/passwd", "C:\\x", "%2e%2e%2f", "CON", "nul.pdf", "com1.tar.gz", " . ", ""]
    ),
    st.sampled_from(
        ["\x00", "\u202e", "\uff0f", "\u2024\u2024", "\u2026", "\ud800", "a" * 300 + ".pdf", "é" * 150 + ".p"]
    ),
    st.sampled_from(["e\u0301", "\u0338", "K", "\u212a", "ß", "SS", "{orderId}", "no-order", "none"]),
)
NAMES = st.one_of(st.text(max_size=12), NASTY, st.lists(st.one_of(NASTY, st.text(max_size=4)), max_size=4).map("".join))
ANYTHING: st.SearchStrategy[Any] = st.one_of(
    NAMES, st.none(), st.integers(-5, 50), st.booleans(), st.floats(), st.just([1]), st.just({"a": 1})
)
