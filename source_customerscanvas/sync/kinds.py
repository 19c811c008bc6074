"""The streams that follow projects and orders: what of a list's row is a change to each of them."""

from source_customerscanvas.api.projects import Project

ORDERS, SHOP_ORDERS = "orders", "shop_orders"
PROJECTS, RESULTS, ARTIFACTS, FILES = "projects", "processing_results", "artifacts", "artifact_files"

OF_RESULTS = frozenset({RESULTS, ARTIFACTS, FILES})
"""Streams for which a project's processing results are asked for."""

OF_ARTIFACTS = frozenset({ARTIFACTS, FILES})

OF_STATUSES = frozenset({*OF_ARTIFACTS, ORDERS})
"""Streams whose rows depend on which business statuses are produced."""

OF_ORDERS = frozenset({ORDERS, SHOP_ORDERS})
"""Streams with one row an order, which is made when all changed projects of a batch have been read."""


FOLLOWING = (PROJECTS, RESULTS, ARTIFACTS, FILES, ORDERS, SHOP_ORDERS)
"""In the order in which a worker reads a project for them: `ProjectReader` relies on it."""


def digest_for(stream: str, project: Project) -> str:
    """Changes with what a stream takes from the row of a project."""
    return project.fingerprint.followed if stream in OF_RESULTS else project.fingerprint.whole
