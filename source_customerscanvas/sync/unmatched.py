"""Says which settings a whole sync has found nothing for: most likely they are misspelled."""

import logging
from collections.abc import Collection

from source_customerscanvas.errors import shorten

logger = logging.getLogger("airbyte.source-customerscanvas")


def warn_of_orders(wanted: Collection[str], found: Collection[str]) -> None:
    """One warning for the order ids of the settings that no project has."""
    if missing := sorted(set(wanted) - set(found)):
        logger.warning(f"No project has an order id of these in `order_ids`: {shorten(', '.join(missing))}.")


def warn_of_formats(wanted: Collection[str], found: Collection[str]) -> None:
    """One warning for the formats of the settings that no file has."""
    if missing := sorted(set(wanted) - set(found)):
        there = shorten(", ".join(sorted(found))) or "none"
        logger.warning(f"No file has a format of these in `file_formats`: {', '.join(missing)}. There are {there}.")
