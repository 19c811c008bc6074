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
        switches.update(**dict(_switch(text) for text in options.switch))
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
        files_per_project=options.files_per_project,
        file_size=options.file_size,
        keep_requests=options.keep_requests,
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        sandbox.open()
    except OSError as error:
        reason = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be listened on: {error}"
        print(f"Port {options.port} (or --cdn-port {options.cdn_port}) {reason}.", file=sys.stderr)
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
        description="Serve a fake of the Customer's Canvas API on loopback. GET /sandbox/ tells how to steer it.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=8080, help="of hub and API; 0: any free one")
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
    parser.add_argument("--keep-requests", type=int, default=_KEPT_REQUESTS, help="records of requests that are kept")
    parser.add_argument("--ready-file", type=Path, help="write url, cdn_url and config here as JSON once listening")
    return parser


def _switch(text: str) -> tuple[str, Any]:
    """`name=value`, the value as JSON where it is JSON, else as text."""
    name, separator, value = text.partition("=")
    if not separator:
        raise ValueError(f"--switch takes NAME=VALUE, not {text!r}.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _announce(sandbox: Sandbox, ready_file: Path | None) -> None:
    config = sandbox.config()
    print(f"Customer's Canvas sandbox: {sandbox.url}  (help: {sandbox.url}/sandbox/)")
    print(f"CDN:                       {sandbox.cdn_url}")
    print(f"Client id and secret:      {config['client_id']}, {config['client_secret']}")
    print(f"Config:                    {json.dumps(config)}", flush=True)
    if ready_file is not None:
        # Renamed into place: whoever waits for the file never reads half of it.
        draft = ready_file.with_name(ready_file.name + ".part")
        draft.write_bytes(orjson.dumps({"url": sandbox.url, "cdn_url": sandbox.cdn_url, "config": config}))
        os.replace(draft, ready_file)


if __name__ == "__main__":
    sys.exit(main())
