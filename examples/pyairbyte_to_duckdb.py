"""Which orders are ready to print, and where are their files?

    python pyairbyte_to_duckdb.py config.json orders.duckdb

Syncs orders into a DuckDB file and print files to where `files` in config.json says, such as

    "files": {"delivery": "folder", "path": "print-files"}

and prints the orders that are ready. Run it as often as you like: each run fetches what is new.

Needs `pip install airbyte` and the connector in the same environment (Python 3.10 to 3.12). Where
Airbyte's registry cannot be reached, set AIRBYTE_OFFLINE_MODE=1.
"""

import json
import sys
from pathlib import Path

import airbyte as ab

STREAMS = ["orders", "artifact_files"]


def main(config_path: str, database: str) -> None:
    config = json.loads(Path(config_path).read_text(encoding="utf-8"))
    if config.get("files", {}).get("delivery", "airbyte") == "airbyte":
        # PyAirbyte cannot ask for files, so the connector has to store them itself
        sys.exit('Set "files" in the configuration, such as {"delivery": "folder", "path": "print-files"}.')
    source = ab.get_source(
        "source-customerscanvas",
        local_executable=Path(sys.executable).with_name("source-customerscanvas"),
        config=config,
        streams=STREAMS,
    )
    source.check()
    cache = ab.caches.DuckDBCache(db_path=database, schema_name="main")
    source.read(cache=cache)

    views = Path(__file__).with_name("orders.sql").read_text(encoding="utf-8")
    cache.execute_sql([statement for statement in views.split(";\n") if statement.strip()])
    order = None
    for row in cache.run_sql_query(
        "select * from files_to_print order by ready_since, storefront_id, order_id, file_path"
    ):
        if order != (row["storefront_id"], row["order_id"]):
            order = (row["storefront_id"], row["order_id"])
            print(
                f"Storefront {order[0]}, order {order[1]} of {row['customer_name']}: ready since {row['ready_since']}"
            )
        print(f"    {row['project']}: {row['file_path']} ({row['size']} bytes)")


if __name__ == "__main__":
    main(*sys.argv[1:])
