"""What is measured, in the order in which it is run."""

from collections.abc import Callable, Mapping

from bench.context import Context
from bench.results import Result
from bench.scenarios.buckets import large_file_s3, many_files_s3
from bench.scenarios.downloads import all_streams, first_sync, large_file, many_files, side_by_side
from bench.scenarios.rows import projects, rate_limit, sandbox
from bench.scenarios.scale import memory, no_news, scale
from bench.scenarios.start import start

SCENARIOS: Mapping[str, Callable[[Context], Result]] = {
    "sandbox": sandbox,
    "start": start,
    "first-sync": first_sync,
    "all-streams": all_streams,
    "large-file": large_file,
    "many-files": many_files,
    "large-file-s3": large_file_s3,
    "many-files-s3": many_files_s3,
    "projects": projects,
    "rate-limit": rate_limit,
    "no-news": no_news,
    "memory": memory,
    "scale": scale,
    "side-by-side": side_by_side,
}
