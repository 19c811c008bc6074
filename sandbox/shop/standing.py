"""How a project's processing stands, put together from the runs of its pipelines."""

from __future__ import annotations

from typing import NamedTuple

from sandbox.shop.rows import Pipeline, ProcessingStatus, Project
from sandbox.switches import Switches


class Standing(NamedTuple):
    """`status` None: no run exists."""

    status: ProcessingStatus | None
    description: str | None = None


def standing(project: Project, switches: Switches) -> Standing:
    """The whole project's: its items' pipelines, then the post-processing ones."""
    items = _of_runs(project.main_pipelines, switches)
    if items.status != "Completed":
        return items
    later = [one for one in project.pipelines if one.is_post and (one.run is not None or one.start_after is not None)]
    if not later or (_none_began(later) and switches.completed_before_post_processing):
        return items
    posted = _of_runs(later, switches)
    return posted if posted.status in ("Completed", "Failed") else Standing("InProgress")


def standing_of_item(project: Project, position: int, switches: Switches) -> Standing:
    """One item's: that of its own pipelines, or of the whole project's where it has none."""
    own = pipelines_of_item(project, position)
    return _of_runs(own, switches)


def pipelines_of_item(project: Project, position: int) -> list[Pipeline]:
    own = [one for one in project.pipelines if one.item == position]
    return own or [one for one in project.main_pipelines if one.item is None]


def _none_began(pipelines: list[Pipeline]) -> bool:
    return all(one.run is None or one.run.status == "Pending" for one in pipelines)


def _of_runs(pipelines: list[Pipeline], switches: Switches) -> Standing:
    runs = [one.run for one in pipelines]
    statuses = {None if run is None else run.status for run in runs}
    if "Failed" in statuses and (switches.failure_shows == "at once" or statuses <= {"Failed", "Completed"}):
        return Standing("Failed", next(run.description for run in runs if run is not None and run.status == "Failed"))
    if statuses == {"Completed"}:
        return Standing("Completed", next(run.description for run in runs if run is not None))
    if statuses <= {None}:
        return Standing(None)
    if len(runs) == 1 and runs[0] is not None:
        return Standing(runs[0].status, runs[0].description)
    return Standing("Pending" if statuses <= {None, "Pending"} else "InProgress")
