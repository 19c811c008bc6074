"""Business statuses and transitions."""

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.statuses import list_statuses, list_transitions
from unit_tests.http_server import Answer, Request, Server, json_answer

STATUSES = [{"id": 1, "code": 4, "displayName": "Complete"}]
TRANSITIONS = [{"id": 9, "name": "finish", "startStatus": 1, "resultStatus": 4}]


def test_given_a_tenant_when_asked_then_its_statuses_and_transitions_come_in_one_answer_each(
    server: Server, client: ApiClient
) -> None:
    lists = {"/api/storefront/v1/projects/statuses": STATUSES, "/api/storefront/v1/projects/transitions": TRANSITIONS}
    server.answer = lambda request: json_answer({"total": 1, "items": lists[request.path]})
    assert (list_statuses(client), list_transitions(client)) == (STATUSES, TRANSITIONS)
    assert [request.query for request in server.api_requests] == [{}, {}]


def test_given_an_answer_that_tells_of_more_statuses_when_asked_then_all_of_them_come(
    server: Server, client: ApiClient
) -> None:
    rows = [{"id": id_, "code": id_} for id_ in range(5)]

    def answer(request: Request) -> Answer:
        skip = int(request.query.get("skip", 0))
        return json_answer({"total": 5, "items": rows[skip : skip + 2]})

    server.answer = answer
    assert {row["code"] for row in list_statuses(client)} == set(range(5))
