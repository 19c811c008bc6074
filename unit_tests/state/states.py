"""Strategies for whatever a stream may remember, for the property tests of states."""

from __future__ import annotations

from datetime import datetime

from hypothesis import strategies as st

from source_customerscanvas.settings import ALL_STATUSES, Shard, Statuses
from source_customerscanvas.state.scope import Scope
from source_customerscanvas.state.slice_state import Known, ManifestFiles, SliceState
from source_customerscanvas.state.stream_state import Try
from source_customerscanvas.times import to_utc

ids = st.integers(min_value=0, max_value=2**63 - 1)
digests = st.text(alphabet="abcXYZ019-_", min_size=8, max_size=8)
texts = st.text(max_size=8)
times = st.datetimes(
    min_value=datetime(2020, 1, 1),  # noqa: DTZ001 - the zone is added by `to_utc`
    max_value=datetime(2030, 1, 1),  # noqa: DTZ001 - as above
).map(lambda moment: to_utc(moment.isoformat()) or "")
codes = st.lists(st.integers(0, 9), max_size=4, unique=True).map(lambda some: tuple(sorted(some)))
statuses = st.just(ALL_STATUSES) | st.builds(Statuses, st.sampled_from(["only", "except"]), codes)
kinds = st.none() | st.lists(st.sampled_from(["pdf", "png", "zip"]), unique=True).map(tuple)
scopes = st.builds(
    Scope,
    start_date=st.none() | times,
    kinds=kinds,
    statuses=statuses,
    shard=st.sampled_from([None, Shard(2, 0), Shard(2, 1), Shard(4, 1)]),
    destination=st.sampled_from([None, "airbyte", "folder:/out", "s3://prints/"]),
)
tries = st.builds(Try, st.integers(1, 10), times)
manifests = st.builds(
    ManifestFiles,
    st.dictionaries(texts, st.tuples(texts, st.integers(0, 2**40), digests), max_size=3),
    st.none() | ids,
)


@st.composite
def slice_states(draw: st.DrawFn) -> SliceState:
    """A state as the methods of `SliceState` leave it: nothing is known of a project only as it is owed."""
    state = SliceState(cursor=draw(st.just("") | times), read=draw(st.just("") | times))
    state.scan = draw(st.none() | st.integers(-1, 2**40))
    state.newest = draw(st.just("") | times)
    for project_id in draw(st.lists(ids, max_size=8, unique=True)):
        condition = draw(st.sampled_from(["open", "recent", "held", "owed", "owed since"]))
        if condition == "owed":
            state.owe(project_id)
        elif condition == "owed since":
            state.owe(project_id, draw(times))
        else:
            seen, emitted = draw(st.just("") | digests), tuple(draw(st.lists(digests, max_size=3)))
            since = draw(st.just("") | times) if condition != "recent" else ""
            held_by = draw(texts) if condition == "held" else ""
            known = Known(condition, seen, emitted, since, held_by)  # type: ignore[arg-type]  # one of the three
            state.settle(project_id, known)
            if condition == "recent" and draw(st.booleans()):
                state.orderless[project_id] = None
            if condition == "recent" and draw(st.booleans()):
                state.once_more[project_id] = draw(times)
            if condition == "open" and draw(st.booleans()):
                state.unlisted.add(project_id)
            if draw(st.booleans()):
                state.owe(project_id)
    if state.scan is not None or state.owed:
        state.covered = draw(st.none() | scopes)
    state.delivered = draw(st.dictionaries(ids, texts, max_size=3))
    for order in state.delivered.values():
        if draw(st.booleans()):
            state.wait(order, draw(ids))
    state.manifests = draw(st.dictionaries(texts, manifests, max_size=2))
    return state
