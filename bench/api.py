"""What the references ask of the API by hand."""

from __future__ import annotations

import json
from typing import Any
from urllib.request import Request, urlopen

CLIENT_ID, CLIENT_SECRET = "sandbox", "sandbox-secret"


def authorization(url: str) -> str:
    """The value of the header, with a new token."""
    form = f"grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}".encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    with urlopen(Request(f"{url}/connect/token", form, headers), timeout=30) as answer:
        return f"Bearer {json.load(answer)['access_token']}"


def ids(url: str, path: str, header: str) -> list[Any]:
    """The ids on the first page of a list."""
    with urlopen(Request(f"{url}/api/{path}", headers={"Authorization": header}), timeout=60) as answer:
        return [row["id"] for row in json.load(answer)["items"]]
