"""The streams that the manifest declares wholly, read as the framework reads them, against a real server."""

from collections.abc import Callable
from typing import Any

import pytest
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.components import ProjectRetriever, UtcTimes, share
from source_customerscanvas.errors import CustomersCanvasError, WrongClient
from source_customerscanvas.source import SourceCustomersCanvas
from unit_tests.http_server import Answer, Request, Server, json_answer

PATHS = {
    "storefronts": "/api/storefront/v1/storefronts",
    "project_statuses": "/api/storefront/v1/projects/statuses",
    "processing_pipelines": "/api/storefront/v1/processing-pipelines",
}
each_list = pytest.mark.parametrize("stream", PATHS)


def read(server: Server, name: str, **settings: Any) -> list[dict[str, Any]]:
    environment = {"region": "custom", "hub_url": server.url, "api_url": server.url}
    config = {"client_id": "app", "client_secret": "s3cret", "environment": environment, **settings}
    (stream,) = [stream for stream in SourceCustomersCanvas(config=config).streams(config) if stream.name == name]
    return [dict(record.data) for partition in stream.generate_partitions() for record in partition.read()]


def pages(rows: list[Any], cap: int, total: Any = None) -> Callable[[Request], Answer]:
    """A server that gives so many rows at once, whatever it is asked for."""

    def answer(request: Request) -> Answer:
        skip = int(request.query.get("skip", 0))
        return json_answer({"items": rows[skip : skip + cap], "total": total})

    return answer


@pytest.mark.parametrize("stream", ["storefronts", "processing_pipelines"])
@pytest.mark.parametrize("cap", [1, 3, 100])
@pytest.mark.parametrize("total", [None, 7, 0, 10**6])
def test_given_a_list_of_many_pages_when_read_then_each_row_comes_once(
    server: Server, stream: str, cap: int, total: int | None
) -> None:
    rows = [{"id": number, "name": f"number {number}"} for number in range(1, 8)]
    server.answer = pages(rows, cap, total)
    assert read(server, stream) == rows
    assert {request.path for request in server.api_requests} == {PATHS[stream]}
    assert len(server.api_requests) <= 3 * len(rows) + 1


def test_given_statuses_when_read_then_one_request_asks_for_all_of_them(server: Server) -> None:
    server.answer = pages([{"id": 101, "code": 1}, {"id": 102, "code": 2}], 100, total=2)
    assert read(server, "project_statuses") == [{"id": 101, "code": 1}, {"id": 102, "code": 2}]
    (request,) = server.api_requests
    assert (request.path, request.query) == (PATHS["project_statuses"], {})


@pytest.mark.parametrize("cap", [1, 2, 100])
def test_given_an_answer_that_tells_of_more_statuses_when_read_then_all_that_there_are_come(
    server: Server, cap: int
) -> None:
    rows = [{"id": 101, "code": 1}, {"id": 102, "code": 2}, {"id": 103, "code": 3}]
    server.answer = pages(rows, cap, total=4)
    assert read(server, "project_statuses") == rows


@each_list
def test_given_what_is_no_row_when_read_then_the_others_come_and_it_is_told(
    server: Server, stream: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "airbyte.source-customerscanvas")
    rows = [7, {"id": 4, "name": "a"}, None, {}, {"id": None, "name": "c"}, {"id": 5, "name": "b"}]
    server.answer = pages(rows, 100 if stream == "project_statuses" else 3)
    assert read(server, stream) == [{"id": 4, "name": "a"}, {"id": 5, "name": "b"}]
    assert caplog.messages.count(f"The list of {stream} has rows without an id: they are passed over.") == 1
    assert caplog.messages[-1] == f"Summary of {stream}: 2 records."


@each_list
@pytest.mark.parametrize("total", [None, 1, 100])
def test_given_a_page_that_repeats_for_ever_when_read_then_it_ends(
    server: Server, stream: str, total: int | None
) -> None:
    server.answer = lambda _: json_answer({"items": [{"id": 1}, {"id": 2}], "total": total})
    assert read(server, stream) == [{"id": 1}, {"id": 2}]
    assert len(server.api_requests) < 5


@pytest.mark.parametrize("removed", [1, 2, 3])
def test_given_storefronts_that_are_removed_while_they_are_read_when_read_then_no_other_is_missed(
    server: Server, removed: int
) -> None:
    rows = [{"id": number} for number in range(1, 11)]

    def answer(request: Request) -> Answer:
        if len(server.api_requests) == 2:
            del rows[:removed]
        skip = int(request.query["skip"])
        return json_answer({"items": rows[skip : skip + 4], "total": len(rows)})

    server.answer = answer
    assert {row["id"] for row in read(server, "storefronts")} >= set(range(removed + 1, 11))


@each_list
@pytest.mark.parametrize("page", [[], "no page", {"items": 7}, {"items": {"id": 1}}, None])
def test_given_an_answer_that_is_no_page_when_read_then_it_says_so(
    server: Server, client: ApiClient, stream: str, page: Any
) -> None:
    # whose tries take no time
    share(server.settings(), client, lambda: None)
    server.answer = lambda _: json_answer(page)
    with pytest.raises(AirbyteTracedException, match=f"{PATHS[stream][5:]}.*not a page of a list"):
        read(server, stream)


@each_list
@pytest.mark.parametrize(
    "answer", [json_answer({"title": "Not Found", "status": 404}, 404), Answer(404, b"default backend - 404")]
)
def test_given_a_server_without_the_list_when_read_then_the_address_is_named(
    server: Server, client: ApiClient, stream: str, answer: Answer
) -> None:
    # whose tries take no time
    share(server.settings(), client, lambda: None)
    server.answer = lambda _: answer
    with pytest.raises(AirbyteTracedException, match=f"{PATHS[stream][5:]}") as raised:
        read(server, stream)
    assert raised.value.failure_type.value == "config_error"


@pytest.mark.parametrize("as_text", [False, True])
def test_given_storefronts_to_sync_when_read_then_only_they_come(server: Server, as_text: bool) -> None:
    server.answer = pages([{"id": str(number) if as_text else number} for number in (1, 2, 3)], 100, total=3)
    assert read(server, "storefronts", storefront_ids=[3, 1]) == [{"id": 1}, {"id": 3}]


@pytest.mark.parametrize(
    ("failure", "told"),
    [(WrongClient("https://hub.example"), "client_secret"), (None, "ended")],
)
def test_given_a_sync_that_was_ended_when_a_list_is_read_then_what_ended_it_is_told(
    server: Server, client: ApiClient, failure: CustomersCanvasError | None, told: str
) -> None:
    share(server.settings(), client, lambda: failure)
    client.stopping.set()
    with pytest.raises(AirbyteTracedException, match=told):
        read(server, "storefronts")


def test_given_a_stream_of_the_engine_when_the_manifest_alone_reads_it_then_it_says_what_to_run() -> None:
    with pytest.raises(AirbyteTracedException, match="source-customerscanvas"):
        list(ProjectRetriever({}).read_records({}))


def test_given_times_when_transformed_then_they_are_in_utc_with_six_digits_at_most() -> None:
    row = {"created": "2024-03-05T12:11:12.1234567+02:00", "changed": "never", "name": "2024-03-05"}
    UtcTimes(["created", "changed", "absent"]).transform(row)
    assert row == {"created": "2024-03-05T10:11:12.123456Z", "changed": None, "name": "2024-03-05"}
