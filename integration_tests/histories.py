"""How random histories of a shop are played.

They are the same ones each time, as a rare find is none of whoever has just changed something else. With
`HISTORIES=2000` in the environment so many others are played.
"""

from __future__ import annotations

import os
from math import ceil

from hypothesis import HealthCheck, settings

ARE_THE_SAME = "HISTORIES" not in os.environ


def histories(usual: int, parts: int = 1) -> settings:
    """How many are played where the environment does not say it, or one of the parts in which they are played."""
    return settings(
        max_examples=ceil(int(os.environ.get("HISTORIES", usual)) / parts),
        derandomize=ARE_THE_SAME,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
