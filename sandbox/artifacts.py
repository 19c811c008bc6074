"""The artifacts that the pipeline runs have made: which exist now, where they are, and what happened to them since."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sandbox.listing import ArtifactFilter, artifact_field
from sandbox.rows import Artifact, ArtifactChange, Project, Run
from sandbox.showing import run_number_of
from sandbox.switches import Switches
from sandbox.views import Query, SortKey, Views


class Missing(Exception):
    """There is no such thing in the shop."""


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

    def all(self) -> Iterator[tuple[str, Artifact]]:
        for project in self._projects.values():
            for artifact in self.of(project):
                yield artifact.id, artifact

    def of(self, project: Project) -> list[Artifact]:
        if project.run is None:
            return []
        found = (self._artifact(project.run, index) for index in range(len(project.run.files)))
        return [artifact for artifact in found if artifact is not None]

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
            # One run is quickly looked through, while a view for each run would push out the others.
            number = run_number_of(wanted.group)
            run = self._runs.get(number) if number is not None else None
            found = [] if run is None else self.of(self._projects[run.project_id])
            views = Views(lambda: ((one.id, one) for one in found), artifact_field, self._seed)
        total, ids = views.page(query, wanted.matches, skip, take, self._switches.tie_break == "id")
        return total, [self.find(identity) for identity in ids]

    def remove_file(self, artifact_id: str, status: int) -> None:
        self.find(artifact_id)
        self._changes.setdefault(artifact_id, ArtifactChange()).gone = status

    def regenerate(self, artifact_id: str, now: int) -> None:
        self.find(artifact_id)
        change = self._changes.setdefault(artifact_id, ArtifactChange())
        change.revision += 1
        change.last_modified = now
        change.gone = None
        self._views.changed(artifact_id, self.find(artifact_id))

    def run_changed(self, run: Run, exists: bool) -> None:
        """Artifacts of a run are about to change (`exists` False) or have changed."""
        for index, spec in enumerate(run.files):
            if spec.id is not None and exists:
                self._given_ids[spec.id] = (run.number, index)
            if self._views and (artifact := self._artifact(run, index)):
                self._views.changed(artifact.id, artifact if exists else None)

    def _artifact(self, run: Run, index: int) -> Artifact | None:
        spec = run.files[index]
        if not run.makes_visible(spec, self._switches.final_artifacts_appear_early):
            return None
        identity = spec.id or f"{run.number:016x}{index:08x}"
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
        )


def _place_of(artifact_id: str) -> tuple[int, int] | None:
    """The run number and the position that an artifact id of the shop's own making tells."""
    try:
        return int(artifact_id[:16], 16), int(artifact_id[16:], 16)
    except ValueError:
        return None
