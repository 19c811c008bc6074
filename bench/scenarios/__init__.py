"""What is measured, in the order in which it is run."""

from collections.abc import Callable, Mapping

from bench.context import Context
from bench.results import Result
from bench.scenarios.downloads import all_streams, first_sync
from bench.scenarios.large import large_file, large_object, many_files
from bench.scenarios.limits import rate_limits
from bench.scenarios.rows import projects, sandbox
from bench.scenarios.scale import memory, no_news, scale
from bench.scenarios.shards import shard_files, shards
from bench.scenarios.start import start

SCENARIOS: Mapping[str, Callable[[Context], Result]] = {
    "sandbox": sandbox,
    "start": start,
    "first-sync": first_sync,
    "all-streams": all_streams,
    "large-file": large_file,
    "large-object": large_object,
    "many-files": many_files,
    "projects": projects,
    "no-news": no_news,
    "memory": memory,
    "scale": scale,
    "rate-limits": rate_limits,
    "shards": shards,
    "shard-files": shard_files,
}
