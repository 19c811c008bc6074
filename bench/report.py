"""The table, the JSON and the pages for the docs."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import charts
from bench.charts import shown
from bench.results import TIMES, Check, Result

_TABLE = re.compile(r"(<!-- bench: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

_OF_SHARDS = {
    "shards": "{shards}",
    "time": "{seconds:,.1f} s",
    "processor time of all": "{cpu:,.1f} s",
    "peak memory of one": "{peakMB:.0f} MB",
    "requests": "{requests:,}",
    "pages of lists": "{pages:,}",
    "greatest state": "{state:.1f} KB",
}
_OF_BYTES = {
    "shards": "{shards}",
    "time": "{seconds:,.1f} s",
    "bytes a second": "{megabytesPerSecond:,.0f} MB/s",
    "processor time of all": "{cpu:,.1f} s",
    "for each GB": "{cpuSecondsPerGigabyte:.1f} s",
    "peak memory of each": "{peaks} MB",
    "requests": "{requests:,}",
}


def lines(result: Result) -> Iterator[str]:
    """A result for the terminal."""
    yield f"\n{result.title}"
    for check in result.checks:
        verdict = {True: "met", False: "MISSED", None: ""}[check.is_met]
        goal = _goal(check)
        yield f"  {check.what.replace('`', ''):<70} {shown(check.value, check.unit):>12}  {goal:<8} {verdict}".rstrip()
    if result.noise:
        yield f"  equal runs differed by up to {result.noise:.0%}"


def write(folder: Path, results: Sequence[Result], noise: dict[str, Any]) -> list[Path]:
    """Write what the docs show into a folder; which files that were."""
    folder.mkdir(parents=True, exist_ok=True)
    machine = {"cores": os.cpu_count(), "system": platform.system(), "python": platform.python_version(), **noise}
    told = {"machine": machine, "results": [result.to_json() for result in results]}
    paths = [folder / "bench.json", folder / "bench.svg"]
    paths[0].write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    paths[1].write_text(charts.goals(results), encoding="utf-8")
    rows, cells = _details(results, "scale", "syncs"), _details(results, "rate-limits", "cells")
    for name, picture in (
        ("scale", charts.growth(rows) if rows else ""),
        ("limits", charts.limits(cells) if cells else ""),
    ):
        if picture:
            paths.append(folder / f"{name}.svg")
            paths[-1].write_text(picture, encoding="utf-8")
    page = folder / "performance.md"
    if page.exists():
        tables = {
            "goals": _goals_table(results),
            "scale": _scale_table(rows),
            "limits": _limits_table(cells),
            "shards": _shards_table(_details(results, "shards", "shards"), _OF_SHARDS),
            "waiting": _shards_table(_details(results, "shards", "waiting"), _OF_SHARDS),
            "bytes": _shards_table(_details(results, "shard-files", "shards"), _OF_BYTES),
            "slow": _shards_table(_details(results, "shard-files", "slow"), _OF_BYTES),
            "machine": _machine_line(machine),
        }
        text = page.read_text(encoding="utf-8")
        text = _TABLE.sub(lambda found: f"{found[1]}\n{tables[found[2]]}\n\n{found[3]}", text)
        page.write_text(text, encoding="utf-8")
        paths.append(page)
    return paths


def _details(results: Sequence[Result], name: str, key: str) -> list[dict[str, Any]]:
    return [row for result in results if result.name == name for row in result.details[key]]


def _goals_table(results: Sequence[Result]) -> str:
    rows = ["| | found | goal | |", "| :--- | ---: | :--- | :--- |"]
    for result in results:
        rows.append(f"| **{result.title}** | | | |")
        for check in result.checks:
            verdict = {True: "met", False: "**missed**", None: ""}[check.is_met]
            rows.append(f"| {check.what} | {shown(check.value, check.unit)} | {_goal(check)} | {verdict} |")
        if result.noise:
            rows.append(f"| *equal runs differed by up to* | {result.noise:.0%} | | |")
    return "\n".join(rows)


def _scale_table(syncs: Sequence[dict[str, Any]]) -> str:
    rows = [
        "| projects | sync | time | requests | records | peak memory | greatest state |",
        "| ---: | :--- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in syncs:
        state = max(row["stateBytes"].values()) / 1000
        rows.append(
            f"| {row['projects']:,} | {row['sync']} | {row['seconds']:,.1f} s | {row['requests']:,} |"
            f" {row['records']:,} | {row['peakMB']:.0f} MB | {state:.1f} KB |"
        )
    return "\n".join(rows)


def _limits_table(cells: Sequence[dict[str, Any]]) -> str:
    """The picture, and a line for each form and rate with a column for each way in which the limit is told."""
    tellings = list(dict.fromkeys(str(cell["telling"]) for cell in cells))
    lines = ["| limit | a second | " + " | ".join(tellings) + " |", "| :--- | ---: |" + " ---: |" * len(tellings)]
    for form, rate in dict.fromkeys((cell["form"], cell["rate"]) for cell in cells):
        found = {cell["telling"]: cell for cell in cells if (cell["form"], cell["rate"]) == (form, rate)}
        texts = [_limit(found[telling]) if telling in found else "" for telling in tellings]
        lines.append(f"| {form} | {rate or ''} | " + " | ".join(texts) + " |")
    return "\n".join(["![Time under a limit, of the ideal](limits.svg)", "", *lines])


def _limit(cell: dict[str, Any]) -> str:
    text = f"{cell['ratio']:.2f} {TIMES}, {cell['refused']} of {cell['answered'] + cell['refused']:,}"
    return text if cell["isMet"] else f"**{text}**"


def _shards_table(rows: Sequence[dict[str, Any]], columns: Mapping[str, str]) -> str:
    """A line for each number of shards, with the columns' numbers in their formats."""
    form = f"| {' | '.join(columns.values())} |"
    lines = [f"| {' | '.join(columns)} |", "|" + " ---: |" * len(columns)]
    for row in rows:
        peaks = ", ".join(f"{peak:.0f}" for peak in row["peaksMB"])
        lines.append(form.format(**row, cpu=sum(row["cpuSeconds"]), state=row["stateBytes"] / 1000, peaks=peaks))
    return "\n".join(lines)


def _machine_line(machine: dict[str, Any]) -> str:
    return (
        f"Measured on {machine['cores']} cores, {machine['system']}, Python {machine['python']}; the load of the"
        f" machine was {machine['loadBefore']} before and {machine['loadAfter']} after, and the same `spec` took"
        f" {machine['specLeast']} to {machine['specMost']} s."
    )


def _goal(check: Check) -> str:
    return "" if check.goal is None else f"{'≥' if check.at_least else '≤'} {check.goal:,.10g}"
