"""What each error tells the user."""

import pytest

from source_customerscanvas.errors import (
    BrokenDownload,
    ConfigurationError,
    Conflict,
    CustomersCanvasError,
    DoubledStream,
    FileRefused,
    InternalError,
    InvalidSetting,
    MissingPermission,
    NotFound,
    ProjectsFailed,
    Refused,
    ServerTrouble,
    Stopped,
    StoreAway,
    StoreUnavailable,
    TransientError,
    Trouble,
    UnknownStorefront,
    UnknownStream,
    Unreachable,
    UnreadableInput,
    UnreadableState,
    WrongClient,
    WrongHost,
    as_known_error,
    shorten,
)

CONFIGURATION = [
    (InvalidSetting("num_workers", "it has to be at most 64"), ["`num_workers`", "at most 64"]),
    (DoubledStream(["projects", "artifacts"]), ["`projects`", "`artifacts`", "twice", "one entry"]),
    (UnknownStream(["invoices"], ["projects", "artifacts"]), ["invoices", "Refresh", "projects, artifacts"]),
    (UnreadableInput("catalog", "catalog.json", "it is not JSON"), ["catalog.json", "the catalog", "it is not JSON"]),
    (UnknownStorefront([7, 9], [(1, "Shop"), (2, None)]), ["7, 9", "1 (Shop)", "2 (unnamed)", "`storefront_ids`"]),
    (UnknownStorefront([7], []), ["7", "none at all"]),
    (UnreadableState("projects", "version 9 is unknown"), ["`projects`", "version 9 is unknown", "Reset"]),
    (WrongClient("https://hub.example"), ["https://hub.example", "`client_secret`", "Settings > External apps"]),
    (WrongHost("https://api.example", "it speaks HTML"), ["https://api.example", "it speaks HTML", "`environment`"]),
    (
        MissingPermission("Artifacts: Read", "read artifacts"),
        ["“Artifacts: Read”", "to read artifacts", "Settings > External apps > the app > permissions"],
    ),
    (StoreUnavailable("/staging", "no space left"), ["/staging", "no space left", "`files`"]),
    (StoreUnavailable("s3://x", "no", "Correct the key."), ["s3://x", "Correct the key."]),
]
TRANSIENT = [
    (Unreachable("api.example", "it refuses connections"), ["api.example", "it refuses connections"]),
    (ServerTrouble("GET api.example/x", "HTTP 503"), ["GET api.example/x", "HTTP 503", "Try again"]),
    (StoreAway("s3://x/", "it refuses connections"), ["s3://x/", "it refuses connections", "`files`"]),
    (BrokenDownload("artifact 7f", "5 of 9 bytes came"), ["artifact 7f", "5 of 9 bytes came", "next sync"]),
]
OTHERS = [
    (FileRefused("/mnt", "a/b.pdf", "too long"), "system_error", ["/mnt", "a/b.pdf", "too long", "`file_path`"]),
    (NotFound("project 5"), "system_error", ["project 5"]),
    (Conflict("POST x", "it is running"), "transient_error", ["POST x", "409", "it is running"]),
    (Refused(400, "GET x", "bad sorting"), "system_error", ["GET x", "HTTP 400", "bad sorting"]),
    (Refused(400, "GET x"), "system_error", ["no reason given"]),
    (Refused(None, "The file", "its address is not https"), "system_error", ["is not asked for", "not https"]),
    (Refused(400, "the token", "invalid_scope", "config_error"), "config_error", ["invalid_scope"]),
    (Stopped(), "system_error", ["ended"]),
    (InternalError(KeyError("x")), "system_error", ["KeyError", "report"]),
]


@pytest.mark.parametrize(("error", "words"), CONFIGURATION, ids=lambda value: type(value).__name__)
def test_given_a_wrong_setting_when_told_then_it_says_what_to_change(
    error: CustomersCanvasError, words: list[str]
) -> None:
    assert isinstance(error, ConfigurationError)
    assert error.failure_type == "config_error"
    assert all(word in error.message for word in words)
    assert str(error) == error.message


@pytest.mark.parametrize(("error", "words"), TRANSIENT, ids=lambda value: type(value).__name__)
def test_given_trouble_that_may_pass_when_told_then_it_says_where_it_was(
    error: CustomersCanvasError, words: list[str]
) -> None:
    assert isinstance(error, TransientError)
    assert error.failure_type == "transient_error"
    assert all(word in error.message for word in words)


@pytest.mark.parametrize(("error", "failure_type", "words"), OTHERS, ids=lambda value: type(value).__name__)
def test_given_another_error_when_told_then_it_has_its_own_words_and_type(
    error: CustomersCanvasError, failure_type: str, words: list[str]
) -> None:
    assert error.failure_type == failure_type
    assert all(word in error.message for word in words)


def test_given_many_storefronts_when_one_is_unknown_then_twenty_are_named_and_the_rest_counted() -> None:
    message = UnknownStorefront([99], [(id_, "Shop") for id_ in range(1, 31)]).message
    assert "20 (Shop)" in message
    assert "21 (Shop)" not in message
    assert "and 10 more" in message


def test_given_words_of_a_server_when_shortened_then_they_are_one_printable_line_of_200_characters() -> None:
    assert shorten("a\r\n\x1b[31mb\u202ec\tü") == "a [31mb c ü"
    assert len(shorten("x" * 1000)) == 200
    assert shorten("x" * 200) == "x" * 200


def test_given_25_failed_projects_when_told_then_20_are_named_and_5_counted() -> None:
    troubles = [Trouble(f"storefront 1, order 5, project {id_}", NotFound("it")) for id_ in range(1, 26)]
    error = ProjectsFailed("artifacts", troubles)
    assert "Stream `artifacts`: 25 of its projects or files could not be read" in error.message
    assert "storefront 1, order 5, project 20: it does not exist" in error.message
    assert "project 21:" not in error.message
    assert error.message.endswith("; and 5 more.")


def test_given_projects_that_failed_for_one_reason_when_told_then_it_is_told_once() -> None:
    no_right, gone = MissingPermission("Artifacts: Read", "read artifacts"), NotFound("it")
    errors = [no_right, gone, no_right, no_right]
    troubles = [Trouble(f"project {id_}", error) for id_, error in enumerate(errors)]
    message = ProjectsFailed("artifact_files", troubles).message
    assert f": project 0; project 2; project 3: {no_right.message[:-1]}; project 1: {gone.message}" in message
    assert message.count("Artifacts: Read") == 1


@pytest.mark.parametrize(
    ("errors", "failure_type"),
    [
        ([MissingPermission("Artifacts: Read", "read"), WrongClient("x")], "config_error"),
        ([MissingPermission("Artifacts: Read", "read"), ServerTrouble("x", "y")], "transient_error"),
        ([NotFound("x")], "transient_error"),
    ],
)
def test_given_failed_projects_when_typed_then_they_are_a_setting_only_if_all_are(
    errors: list[CustomersCanvasError], failure_type: str
) -> None:
    assert ProjectsFailed("projects", [Trouble("here", error) for error in errors]).failure_type == failure_type


def test_given_a_known_error_when_made_known_then_it_stays_itself() -> None:
    error = NotFound("x")
    assert as_known_error(error) is error


def test_given_an_unknown_error_when_made_known_then_it_keeps_its_cause_and_not_its_words() -> None:
    cause = KeyError("s3cret")
    known = as_known_error(cause)
    assert isinstance(known, InternalError)
    assert known.__cause__ is cause
    assert "s3cret" not in known.message
