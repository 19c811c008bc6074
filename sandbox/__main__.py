"""The command line: `python -m sandbox` serves a seeded shop until it is interrupted."""

from __future__ import annotations

import argparse
import errno
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import orjson

from sandbox.server import Sandbox
from sandbox.switches import Switches

_KEPT_REQUESTS = 20_000


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    switches = Switches()
    try:
        switches.update(**dict(_pair("--switch", text) for text in options.switch))
        limit = dict(_pair("--limit", text) for text in options.limit)
        faults = [_object("--fault", text) for text in options.fault]
        outages = [_object("--outage", text) for text in options.outage]
    except ValueError as error:
        parser.error(str(error))
    if options.page_cap is not None:
        switches.page_cap = options.page_cap
    sandbox = Sandbox(
        projects=options.projects,
        seed=options.seed,
        latency=options.latency_ms / 1000,
        switches=switches,
        empty=options.empty,
        clock=options.clock,
        time_factor=options.time_factor,
        port=options.port,
        cdn_port=options.cdn_port,
        hub_port=options.hub_port,
        files_per_project=options.files_per_project,
        file_size=options.file_size,
        keep_requests=options.keep_requests,
    )
    try:
        if limit:
            sandbox.limit(**{"requests_per_second": None, **limit})
        for fault in faults:
            sandbox.fault(**fault)
        for outage in outages:
            sandbox.outage(**outage)
    except (TypeError, ValueError) as error:
        parser.error(str(error))
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        sandbox.open()
    except OSError as error:
        reason = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be listened on: {error}"
        ports = f"{options.port} (or --hub-port {options.hub_port}, --cdn-port {options.cdn_port})"
        print(f"Port {ports} {reason}.", file=sys.stderr)
        return 1
    try:
        _announce(sandbox, options.ready_file)
        stop.wait()
    finally:
        sandbox.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="Serve a fake of the Customer's Canvas API on loopback. GET /sandbox/ tells how to steer it, "
        "docs/sandbox.md what each switch, fault, outage and limit means.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--port", type=int, default=8080, help="of the API, whose gateway gives tokens too; 0: any free"
    )
    parser.add_argument("--hub-port", type=int, default=0, help="of the identity server; 0: any free one")
    parser.add_argument("--cdn-port", type=int, default=0, help="of the CDN; 0: any free one")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same shop")
    parser.add_argument("--projects", type=int, default=120, help="how many the shop has")
    parser.add_argument("--empty", action="store_true", help="start without storefronts and projects")
    parser.add_argument("--files-per-project", type=int, help="that many print files each instead of a mix of files")
    parser.add_argument("--file-size", type=int, help="bytes of each print file instead of a small document")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="wait before each answer")
    parser.add_argument("--clock", choices=("real", "manual"), default="real", help="manual: POST /sandbox/clock")
    parser.add_argument("--time-factor", type=float, default=1.0, help="sandbox seconds in a real second")
    parser.add_argument("--page-cap", type=int, help="the greatest page of a list")
    parser.add_argument(
        "--switch",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"set what the API leaves open; repeatable: {', '.join(one.name for one in fields(Switches))}",
    )
    parser.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="refuse what comes faster; repeatable: requests_per_second, burst, window (seconds), at_once, status "
        "(429 or 503), retry_after (seconds, date or null), origin (api, hub or cdn)",
    )
    parser.add_argument(
        "--fault", action="append", default=[], metavar="JSON", help="misbehave, as POST /sandbox/faults; repeatable"
    )
    parser.add_argument(
        "--outage", action="append", default=[], metavar="JSON", help="be away, as POST /sandbox/outages; repeatable"
    )
    parser.add_argument("--keep-requests", type=int, default=_KEPT_REQUESTS, help="records of requests that are kept")
    parser.add_argument("--ready-file", type=Path, help="write url, cdn_url and config here as JSON once listening")
    return parser


def _pair(option: str, text: str) -> tuple[str, Any]:
    """`name=value`, the value as JSON where it is JSON, else as text."""
    name, separator, value = text.partition("=")
    if not separator:
        raise ValueError(f"{option} takes NAME=VALUE, not {text!r}.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _object(option: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ValueError(f"{option} takes a JSON object, not {text!r}.")
    return value


def _announce(sandbox: Sandbox, ready_file: Path | None) -> None:
    config = sandbox.config()
    print(f"Customer's Canvas sandbox: {sandbox.url}  (help: {sandbox.url}/sandbox/)")
    print(f"Identity server:           {sandbox.hub_url}")
    print(f"CDN:                       {sandbox.cdn_url}")
    print(f"Client id and secret:      {config['client_id']}, {config['client_secret']}")
    print(f"Config:                    {json.dumps(config)}", flush=True)
    if ready_file is not None:
        # Renamed into place: whoever waits for the file never reads half of it.
        draft = ready_file.with_name(ready_file.name + ".part")
        addresses = {"url": sandbox.url, "hub_url": sandbox.hub_url, "cdn_url": sandbox.cdn_url}
        draft.write_bytes(orjson.dumps({**addresses, "config": config}))
        os.replace(draft, ready_file)


if __name__ == "__main__":
    sys.exit(main())
