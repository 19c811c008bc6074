"""How long the commands take that do nearly nothing."""

from __future__ import annotations

from bench.connector import FILES, RESULTS, ROWS_ONLY, arguments
from bench.context import Context
from bench.installed import CONNECTOR, PYTHON
from bench.measure import Run, alternate, run
from bench.results import Check, Result
from bench.shape import Shape
from bench.shop import ShopServer


def start(context: Context) -> Result:
    with ShopServer(Shape(20, storefronts=1)) as server:
        words = arguments(context.folder, {**server.config, **ROWS_ONLY}, [RESULTS, FILES])
        config, streams = words[:2], words

        def until_first_request(command: str, words: list[str]) -> Run:
            server.begin()
            taken = run([CONNECTOR, command, *words])
            first_at = server.end(taken).first_at
            return Run((first_at or float("inf")) - taken.began, taken.cpu, taken.peak, taken.began)

        done = alternate(
            context.sizes.rounds,
            {
                "import": lambda: run([PYTHON, "-c", "import airbyte_cdk"]),
                "launch": lambda: run([PYTHON, "-c", "from airbyte_cdk.entrypoint import launch"]),
                "spec": context.spec,
                "discover": lambda: run([CONNECTOR, "discover", *config]),
                "check": lambda: until_first_request("check", config),
                "read": lambda: until_first_request("read", streams),
            },
        )
    framework = max(done["import"].seconds, done["launch"].seconds)
    checks = [
        Check(f"`{name}`{what}, longer than importing the framework", done[name].seconds - framework, "s", 0.2)
        for name, what in (("spec", ""), ("check", " up to its first request"), ("discover", ""))
    ]
    checks += [
        Check("importing the framework alone", framework, "s"),
        Check("`spec`", done["spec"].seconds, "s"),
        Check("`read` up to its first request", done["read"].seconds, "s"),
    ]
    details = {name: series.to_json() for name, series in done.items()}
    return Result("start", "Start of the commands", checks, details, max(series.spread for series in done.values()))
