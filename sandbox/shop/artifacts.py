"""The artifacts that the pipeline runs have made: which exist now, where they are, and what happened to them since."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sandbox.shop.deriving import run_number_of
from sandbox.shop.listing import ArtifactFilter, artifact_field
from sandbox.shop.rows import Artifact, FileSpec, PrintFiles, Project, Run
from sandbox.shop.views import Query, SortKey, Views
from sandbox.switches import Link, Switches


class Missing(Exception):
    """There is no such thing in the shop."""


_KEPT_RUNS = 8


@dataclass
class ArtifactChange:
    """What happened to an artifact after its run."""

    revision: int = 0
    last_modified: int | None = None
    gone: int | None = None
    link: Link | None = None
    links: int = 0


class ArtifactStore:
    """Artifacts follow from their runs and are made up when asked for; only what was done to one is kept."""

    def __init__(self, switches: Switches, projects: Mapping[int, Project], runs: Mapping[int, Run], seed: int) -> None:
        self._switches = switches
        self._projects = projects
        self._runs = runs
        self._seed = seed
        self._changes: dict[str, ArtifactChange] = {}
        self._given_ids: dict[str, tuple[int, int]] = {}
        self._views: Views[Artifact] = Views(self.all, artifact_field, seed)
        self._views_of_runs: OrderedDict[int, Views[Artifact]] = OrderedDict()

    def all(self) -> Iterator[tuple[str, Artifact]]:
        for project in self._projects.values():
            for artifact in self.of(project):
                yield artifact.id, artifact

    def of(self, project: Project) -> Iterator[Artifact]:
        """Those of all its runs, one run after the other."""
        for pipeline in project.pipelines:
            if pipeline.run is not None:
                yield from self._of_run(pipeline.run)

    def _of_run(self, run: Run) -> Iterator[Artifact]:
        found = (self._artifact(run, index) for index in range(len(run.files)))
        return (artifact for artifact in found if artifact is not None)

    def find(self, artifact_id: str) -> Artifact:
        """Raises Missing."""
        place = self._given_ids.get(artifact_id) or _place_of(artifact_id)
        run = self._runs.get(place[0]) if place else None
        if place and run is not None and place[1] < len(run.files):
            artifact = self._artifact(run, place[1])
            if artifact is not None and artifact.id == artifact_id:
                return artifact
        raise Missing(f"Artifact {artifact_id} is not found.")

    def page(
        self, wanted: ArtifactFilter, sorting: tuple[SortKey, ...], skip: int, take: int
    ) -> tuple[int, list[Artifact]]:
        """How many there are, and one page of them."""
        query = Query(wanted, sorting, self._switches.nulls_first)
        views = self._views
        if wanted.group is not None:
            number = run_number_of(wanted.group)
            if number is None or number not in self._runs:
                return 0, []
            # One run is quickly looked through, while a view for each run would push out the others.
            views = self._views_of_run(self._runs[number])
        total, ids = views.page(query, wanted.matches, skip, take, self._switches.tie_break == "id")
        return total, [self.find(identity) for identity in ids]

    def _views_of_run(self, run: Run) -> Views[Artifact]:
        views = self._views_of_runs.get(run.number)
        if views is None:
            views = Views(lambda: ((one.id, one) for one in self._of_run(run)), artifact_field, self._seed)
            self._views_of_runs[run.number] = views
            if len(self._views_of_runs) > _KEPT_RUNS:
                self._views_of_runs.popitem(last=False)
        return views

    def change(self, artifact_id: str) -> ArtifactChange:
        """What happened to an artifact, to be written on. Raises Missing."""
        self.find(artifact_id)
        return self._changes.setdefault(artifact_id, ArtifactChange())

    def regenerate(self, artifact_id: str, now: int) -> None:
        change = self.change(artifact_id)
        change.revision += 1
        change.last_modified = now
        change.gone = None
        artifact = self.find(artifact_id)
        self._views_of_runs.pop(artifact.run.number, None)
        self._views.changed(artifact_id, artifact)

    def add(self, run: Run, spec: FileSpec, now: int) -> str:
        """One more file of a run, made now; the artifact's id."""
        self.run_changed(run, False)
        run.files = (*run.files, spec)
        index = len(run.files) - 1
        identity = _id_at(run, spec, index)
        self._changes[identity] = ArtifactChange(last_modified=now)
        self.run_changed(run, True)
        return identity

    def replace(self, artifact_id: str, now: int) -> str:
        """The file is made anew as another artifact; its id."""
        artifact = self.find(artifact_id)
        run = artifact.run
        index = next(at for at, spec in enumerate(run.files) if _id_at(run, spec, at) == artifact_id)
        self.run_changed(run, False)
        identity = hashlib.sha256(f"{artifact_id}/{now}".encode()).hexdigest()[:24]
        files = list(run.files)
        files[index] = dataclasses.replace(files[index], id=identity)
        run.files = tuple(files)
        self._changes[identity] = ArtifactChange(last_modified=now)
        self.run_changed(run, True)
        return identity

    def run_changed(self, run: Run, exists: bool) -> None:
        """Artifacts of a run are about to change (`exists` False) or have changed."""
        self._views_of_runs.pop(run.number, None)
        if isinstance(run.files, PrintFiles) and not self._views:
            return
        for index, spec in enumerate(run.files):
            if spec.id is not None and exists:
                self._given_ids[spec.id] = (run.number, index)
            if self._views and (artifact := self._artifact(run, index)):
                self._views.changed(artifact.id, artifact if exists else None)

    def _artifact(self, run: Run, index: int) -> Artifact | None:
        spec = run.files[index]
        if not run.makes_visible(spec, self._switches.final_artifacts_appear_early):
            return None
        identity = _id_at(run, spec, index)
        change = self._changes.get(identity)
        moment = run.ended if spec.type == "Final" and run.status == "Completed" else run.started
        if change and change.last_modified:
            moment = change.last_modified
        return Artifact(
            id=identity,
            project=self._projects[run.project_id],
            run=run,
            spec=spec,
            last_modified=moment,
            revision=change.revision if change else 0,
            gone=change.gone if change else None,
            link=change.link if change else None,
            links=change.links if change else 0,
        )


def _id_at(run: Run, spec: FileSpec, index: int) -> str:
    return spec.id or f"{run.number:016x}{index:08x}"


def _place_of(artifact_id: str) -> tuple[int, int] | None:
    """The run number and the position that an artifact id of the shop's own making tells."""
    try:
        return int(artifact_id[:16], 16), int(artifact_id[16:], 16)
    except ValueError:
        return None
