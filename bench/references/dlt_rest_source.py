"""A further reference for rows: dlt's REST source, whose rows are written as lines of JSON and stored nowhere.

It takes the arguments of a connector's `read`, of which it looks at the configuration only.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import dlt
from dlt.sources.rest_api import rest_api_source


def main(config: dict[str, Any]) -> None:
    environment = config["environment"]
    source = rest_api_source(
        {
            "client": {
                "base_url": f"{environment['api_url']}/api/storefront/v1/",
                "auth": {
                    "type": "oauth2_client_credentials",
                    "access_token_url": f"{environment['hub_url']}/connect/token",
                    "client_id": config["client_id"],
                    "client_secret": config["client_secret"],
                },
                "paginator": {
                    "type": "offset",
                    "limit": 100,
                    "limit_param": "take",
                    "offset_param": "skip",
                    "total_path": "total",
                },
            },
            "resources": [
                {
                    "name": "projects",
                    "endpoint": {
                        "path": "projects",
                        "params": {"storefrontId": 11, "sorting": "Id ASC"},
                        "data_selector": "items",
                    },
                }
            ],
        }
    )
    for row in source.resources["projects"]:
        record = {"stream": "projects", "data": row}
        sys.stdout.write(f"{json.dumps({'type': 'RECORD', 'record': record}, separators=(',', ':'), default=str)}\n")


if __name__ == "__main__":
    dlt.config["runtime.dlthub_telemetry"] = False
    main(json.loads(Path(sys.argv[sys.argv.index("--config") + 1]).read_text()))
