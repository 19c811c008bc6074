"""The state of a stream from one sync to the next, and what a changed scope does to it.

`docs/state.md` shows one. A slice is a storefront (`11`), or one of its orders where only some are synced (`11/5001`);
`slice_state` says what is remembered of one.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from source_customerscanvas.errors import UnreadableState
from source_customerscanvas.state.scope import Scope, read_moment, read_time
from source_customerscanvas.state.slice_state import SliceState

VERSION = 2

Refresh = Literal["", "running", "ended"]

_DAMAGE = (KeyError, TypeError, ValueError, AttributeError, OverflowError)


@dataclass(frozen=True, order=True)
class Try:
    """How often the processing of a project was tried again, and when last, as `times.format_utc` writes it."""

    count: int = 0
    at: str = ""


@dataclass
class StreamState:
    """The state of a stream: its scope and its slices; `began` is empty before the first sync."""

    scope: Scope
    began: str = ""
    slices: dict[str, SliceState] = field(default_factory=dict)
    refresh: Refresh = ""
    tries: dict[int, Try] = field(default_factory=dict)
    """Those of failed projects, in whichever slice they stand: a project may move, and a full refresh begins anew."""

    def slice(self, key: str) -> SliceState:
        return self.slices.setdefault(key, SliceState())

    def keep_slices(self, keys: Iterable[str]) -> None:
        """Keep these slices and forget all others; what is known of orders counts when their storefront is new."""
        before = self.slices
        self.slices = {key: before.get(key) or _begun(key, before) for key in keys}

    def is_pending_elsewhere(self, key: str, project_id: int) -> bool:
        """Whether something of a project is still to be handed over in another slice: it has moved from there."""
        return any(one.is_pending(project_id) for other, one in self.slices.items() if other != key)

    def to_json(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "began": self.began or None,
            "scope": self.scope.to_json(),
            **({"refresh": self.refresh} if self.refresh else {}),
            "slices": {key: one.to_json() for key, one in self.slices.items()},
            **({"tries": {str(id_): [one.count, one.at] for id_, one in self.tries.items()}} if self.tries else {}),
        }

    @classmethod
    def from_json(cls, stream: str, value: Any, scope: Scope, *, full_refresh: bool = False) -> "StreamState":
        """Take up a state that was emitted earlier, in the scope that is wanted now.

        A full refresh takes up only the state of one that was interrupted; of any other, the tries of failed projects.

        Raises `UnreadableState` for anything that is not one: reading on as if there were none would repeat a shop's
        whole history, and guessing would lose some of it.
        """
        if not isinstance(value, Mapping):
            raise UnreadableState(stream, "it is no object")
        if not value:
            return cls(scope, refresh="running" if full_refresh else "")
        if value.get("version") != VERSION:
            version = f"version {value['version']!r}" if "version" in value else "no version"
            raise UnreadableState(stream, f"it has {version}, this connector reads version {VERSION}")
        try:
            before = Scope.from_json(value["scope"])
            began = read_time(value["began"])
            slices = {_key(key): SliceState.from_json(one) for key, one in value["slices"].items()}
            tries = _tries(value)
        except _DAMAGE as error:
            raise UnreadableState(stream, f"{type(error).__name__}: {error}") from error
        if full_refresh and value.get("refresh") != "running":
            return cls(scope, refresh="running", tries=tries)
        state = cls(scope, began, slices, "running" if full_refresh else "", tries)
        state._follow_settings(before)
        return state

    def _follow_settings(self, before: Scope) -> None:
        """Have read again what is wanted now and was not `before`."""
        if self.scope.statuses != before.statuses:
            for one in self.slices.values():
                _stop_waiting(one)
        if self.scope.is_elsewhere(before):
            # each row has to be emitted once more, with its file
            for one in self.slices.values():
                one.deliver_again(before)
        elif not before.covers(self.scope):
            for one in self.slices.values():
                one.restart_scan(before)


def _begun(key: str, before: Mapping[str, SliceState]) -> SliceState:
    """A slice that is read for the first time; some orders of it may have been slices of their own before."""
    state = SliceState()
    for order, one in before.items():
        if order.startswith(f"{key}/") and "/" not in key:
            for part in ("known", "owed", "unlisted", "missing", "orderless", "once_more", "delivered", "manifests"):
                getattr(state, part).update(getattr(one, part))
            for order_id, project_id in one.waiting.items():
                state.wait(order_id, project_id)
    return state


def _stop_waiting(state: SliceState) -> None:
    """Let no order wait for a project any longer: with other statuses, that project may not be produced any more."""
    state.waiting.clear()
    for manifest in state.manifests.values():
        manifest.look_again()


def _key(key: str) -> str:
    """The name of a slice. Raises `ValueError` for what is none."""
    int(key.partition("/")[0])
    return key


def tries_of(states: Iterable[Any]) -> dict[int, Try]:
    """The tries of each project that any of these stream states knows of; ids are unique in a tenant.

    The states may be those of streams that are not read, or are read anew. One that is damaged counts as far as it can
    be read.
    """
    found: dict[int, Try] = {}
    for state in states:
        with suppress(*_DAMAGE):
            for id_, one in _tries(state).items():
                found[id_] = max(one, found.get(id_, Try()))
    return found


def _tries(value: Mapping[str, Any]) -> dict[int, Try]:
    tries = value.get("tries", {}).items()
    return {int(id_): Try(int(count), read_moment(at)) for id_, (count, at) in tries}
