"""An operation of the API: where it is, who may call it, and what answers it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from sandbox.serving.messages import Reply

STOREFRONT = "/api/storefront/v1/"
STORAGE = "/api/storage/v1/"

Handler = Callable[..., Reply]


class Operation(NamedTuple):
    """Its path below the host, the permission that it needs (or the switch that names one), and the handler that gets
    the request and the path's parts."""

    method: str
    path: re.Pattern[str]
    permission: str
    handler: Handler


def operation(method: str, path: str, permission: str, handler: Handler) -> Operation:
    return Operation(method, re.compile(path), permission, handler)
