"""The configuration as it is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import source_customerscanvas
from source_customerscanvas.addresses import is_loopback, is_private
from source_customerscanvas.checks import check_configuration
from source_customerscanvas.errors import InvalidSetting
from source_customerscanvas.settings import Acknowledge, Files, Processing, Settings, file_format

REQUIRED = {"client_id": "id", "client_secret": "secret"}


def read(**config: Any) -> Settings:
    return Settings.from_config({**REQUIRED, **config})


def custom(url: Any) -> Settings:
    return read(environment={"region": "custom", "hub_url": "https://hub.example", "api_url": url})


def test_given_only_what_is_required_when_read_then_everything_else_has_its_default() -> None:
    assert read() == Settings("id", "secret", "https://customerscanvashub.com", "https://api.customerscanvashub.com")
    settings = read()
    assert settings.artifact_types == ("Final",)
    assert (settings.files, settings.lookback_minutes, settings.num_workers) == (Files(), 10, 16)
    assert settings.file_path == "{storefrontId}/{orderId}/{projectId}/{name}"
    assert (settings.processing, settings.acknowledge) == (Processing(), Acknowledge())


@pytest.mark.parametrize(
    ("region", "hub_url", "api_url"),
    [
        ("us", "https://customerscanvashub.com", "https://api.customerscanvashub.com"),
        ("eu", "https://eu.customerscanvashub.com", "https://api.eu.customerscanvashub.com"),
        ("au", "https://au.customerscanvashub.com", "https://api.au.customerscanvashub.com"),
    ],
)
def test_given_a_region_when_read_then_its_hosts_are_known(region: str, hub_url: str, api_url: str) -> None:
    settings = read(environment={"region": region})
    assert (settings.hub_url, settings.api_url) == (hub_url, api_url)


@pytest.fixture(scope="module")
def spec() -> Any:
    manifest = Path(source_customerscanvas.__file__).with_name("manifest.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(manifest)["spec"]["connection_specification"]


def test_given_the_spec_when_its_options_are_left_out_then_each_has_the_default_that_it_shows(spec: Any) -> None:
    options = dict(spec["properties"])
    processing = options.pop("processing")["properties"]
    for name in ("environment", "files", "statuses", "acknowledge"):
        del options[name]  # which are read as other settings
    for settings, shown in ((read(), options), (read().processing, processing)):
        left_out = {name: getattr(settings, name) for name in shown}
        defaults = {name: option["default"] for name, option in shown.items() if "default" in option}
        assert json.loads(json.dumps({name: left_out[name] for name in defaults})) == defaults


OPTIONAL = (
    "environment",
    "storefront_ids",
    "order_ids",
    "start_date",
    "tenant_id",
    "artifact_types",
    "file_formats",
    "files",
    "file_path",
    "processing",
    "acknowledge",
    "lookback_minutes",
    "num_workers",
)


@pytest.mark.parametrize("key", OPTIONAL)
def test_given_a_null_for_what_is_optional_when_read_then_it_has_its_default(key: str) -> None:
    assert read(**{key: None}) == read()


@pytest.mark.parametrize("key", ["wait_minutes", "poll_seconds", "on_failure", "max_attempts", "retry_delay_minutes"])
def test_given_a_null_within_processing_when_read_then_it_has_its_default(key: str) -> None:
    assert read(processing={key: None}) == read()


def test_given_whole_numbers_with_a_point_when_read_then_they_are_integers() -> None:
    given = read(
        num_workers=2.0,
        tenant_id=7.0,
        storefront_ids=[3.0],
        processing={"poll_seconds": 60.0},
        acknowledge={"mode": "status", "code": 30.0},
    )
    numbers = [given.num_workers, given.tenant_id, *(given.storefront_ids or ())]
    numbers += [given.processing.poll_seconds, given.acknowledge.code]
    assert repr(numbers) == "[2, 7, 3, 60, 30]"


@pytest.mark.parametrize("key", ["storefront_ids", "order_ids", "artifact_types", "file_formats"])
def test_given_an_empty_list_when_read_then_it_means_the_default(key: str) -> None:
    assert read(**{key: []}) == read()


@pytest.mark.parametrize("key", ["start_date", "file_path", "order_ids"])
def test_given_an_empty_text_when_read_then_it_means_the_default(key: str) -> None:
    assert read(**{key: ""}) == read()


def test_given_an_empty_text_for_when_orders_are_acknowledged_from_then_it_means_the_default() -> None:
    acknowledge = {"mode": "status", "code": 3}
    assert read(acknowledge={**acknowledge, "since": ""}) == read(acknowledge=acknowledge)


def test_given_unknown_keys_when_read_then_they_are_ignored() -> None:
    known = {"wait_minutes": 5}
    assert read(future="x", processing={"future": 1, **known}) == read(processing=known)
    assert read(acknowledge={"mode": "none", "future": 1}) == read()


def test_given_lists_in_another_order_with_repetitions_when_read_then_they_are_the_same() -> None:
    one = read(storefront_ids=[12, 11, 12], order_ids=["b", "a"], file_formats=["PDF", ".png", "pdf"])
    assert one == read(storefront_ids=[11, 12], order_ids=["a", "b"], file_formats=["png", "pdf"])
    assert (one.storefront_ids, one.order_ids, one.file_formats) == ((11, 12), ("a", "b"), ("pdf", "png"))


def test_given_zero_minutes_of_lookback_when_read_then_it_is_zero() -> None:
    assert read(lookback_minutes=0).lookback_minutes == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-05", "2024-03-05T00:00:00.000000Z"),
        ("2024-03-05T10:11:12Z", "2024-03-05T10:11:12.000000Z"),
        ("2024-03-05T10:11:12.1234567+02:00", "2024-03-05T08:11:12.123456Z"),
    ],
)
def test_given_a_date_when_read_then_it_is_a_moment_in_utc(text: str, expected: str) -> None:
    assert read(start_date=text).start_date == expected
    assert read(acknowledge={"mode": "status", "code": 3, "since": text}).acknowledge.since == expected


@pytest.mark.parametrize("text", ["2024-02-30", "05.03.2024", "soon", "2024-13-01", "2024-03-05T25:00:00Z"])
def test_given_something_that_is_no_date_when_read_then_the_error_names_the_field(text: str) -> None:
    with pytest.raises(InvalidSetting, match=r"`start_date`.*is not a date"):
        read(start_date=text)
    with pytest.raises(InvalidSetting, match=r"`acknowledge\.since`.*is not a date"):
        read(acknowledge={"mode": "status", "code": 3, "since": text})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.example/", "https://api.example"),
        (" https://api.example/base/ ", "https://api.example/base"),
        ("https://api.example:8443", "https://api.example:8443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://my_host.example.", "https://my_host.example."),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_given_a_url_that_can_be_used_when_read_then_it_has_no_slash_at_its_end(url: str, expected: str) -> None:
    assert custom(url).api_url == expected


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "http://10.0.0.1",
        "ftp://api.example",
        "api.example",
        "https://",
        "",
        "https://user:password@api.example",
        "https://user@api.example",
        "https://:password@api.example",
        "https://api.example?token=1",
        "https://api.example#part",
        "https://api.example:port",
        "https://[::1",
        "https://exa mple.com",
        "https://a..b",
        "https://%zz",
        "https://a\0b",
        "\0https://api.example",
        f"https://{'a' * 64}.example",
    ],
)
def test_given_a_url_that_cannot_be_used_when_read_then_the_error_names_the_field_and_not_the_url(url: str) -> None:
    with pytest.raises(InvalidSetting, match=r"`environment\.api_url`.*https://") as refused:
        custom(url)
    assert "password" not in refused.value.message.replace("user name", "")
    assert url in ("", "https://") or url not in refused.value.message


S3 = {"delivery": "s3", "bucket": "print"}
AZURE = {"delivery": "azure", "account": "shop", "container": "print"}
SFTP = {"delivery": "sftp", "host": "sftp.example", "user": "shop", "host_key": "ssh-ed25519 AAAA", "password": "pw"}


def test_given_blanks_around_pasted_values_when_read_then_they_are_no_part_of_them() -> None:
    assert read(order_ids=["5001 ", " "], file_formats=[" pdf"], client_id=" id\n") == read(
        order_ids=["5001"], file_formats=["pdf"]
    )
    files = read(files={"delivery": "folder", "path": " print files "}).files
    assert files == Files("folder", path="print files")


@pytest.mark.parametrize(
    ("setting", "field"),
    [
        ({"client_secret": " "}, "client_secret"),
        ({"acknowledge": {"mode": "order_data", "key": " ", "value": "v"}}, "acknowledge.key"),
        ({"acknowledge": {"mode": "transition", "name": ""}}, "acknowledge.name"),
        ({"statuses": {"mode": "only", "codes": []}}, "statuses.codes"),
        ({"files": {"delivery": "s3", "bucket": " "}}, "files.bucket"),
        ({"files": {"delivery": "ftp"}}, "files.delivery"),
    ],
)
def test_given_blanks_or_an_unknown_choice_when_held_against_the_spec_then_the_error_names_the_field(
    spec: Any, setting: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidSetting, match=f"`{field}`"):
        check_configuration({**REQUIRED, **setting}, spec)


def test_given_what_forms_send_for_fields_that_were_left_alone_when_held_against_the_spec_then_it_fits(
    spec: Any,
) -> None:
    left: dict[str, Any] = {
        "start_date": "",
        "order_ids": [],
        "tenant_id": None,
        "file_formats": [" "],
        "shard": {},
        "num_workers": 8.0,
    }
    check_configuration({**REQUIRED, **left}, spec)


def test_given_a_date_of_another_mode_when_read_then_it_is_left_alone() -> None:
    assert read(acknowledge={"mode": "none", "since": "soon"}).acknowledge.since is None


def test_given_a_shard_when_read_then_nothing_of_it_means_none_and_a_part_of_it_is_refused() -> None:
    assert read(shard={}).shard is None
    with pytest.raises(InvalidSetting, match=r"`shard\.count`"):
        read(shard={"index": 1})


def test_given_an_empty_text_of_another_mode_when_read_then_it_is_left_alone() -> None:
    assert read(acknowledge={"mode": "status", "code": 4, "key": "", "name": ""}).acknowledge.code == 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [("PDF", "pdf"), (".pdf", "pdf"), ("*.pdf", "pdf"), ("jpg", "jpeg"), (".TIF", "tiff"), ("tiff", "tiff")],
)
def test_given_each_way_to_name_a_format_when_read_then_it_is_the_same(text: str, expected: str) -> None:
    assert read(file_formats=[text]).file_formats == (expected,)
    assert file_format(text) == expected


@pytest.mark.parametrize(
    ("files", "destination"),
    [
        ({}, "airbyte"),
        ({"delivery": "none", "path": "left from before"}, "none"),
        (S3, "s3://print/"),
        ({**S3, "prefix": "/a/b/", "region": "eu-west-1"}, "s3://print/a/b"),
        ({**S3, "endpoint": "https://minio.example/"}, "s3://print/@https://minio.example"),
        ({"delivery": "gcs", "bucket": "print", "service_account": "{}"}, "gs://print/"),
        ({**AZURE, "account_key": "a2V5", "prefix": "x"}, "azure://shop/print/x"),
        ({**SFTP, "directory": "up", "port": 2222}, "sftp://shop@sftp.example:2222/up"),
        ({**SFTP, "directory": "up/"}, "sftp://shop@sftp.example:22/up"),
        ({"delivery": "folder", "path": "/mnt/hot/"}, "folder:/mnt/hot"),
        ({"delivery": "folder", "path": "/mnt/x/../hot"}, "folder:/mnt/hot"),
    ],
)
def test_given_a_place_for_files_when_read_then_its_destination_tells_it_without_secrets(
    files: dict[str, Any], destination: str
) -> None:
    assert read(files=files).files.destination == destination


def test_given_a_folder_of_the_user_or_the_working_directory_when_read_then_it_is_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/shop")
    assert read(files={"delivery": "folder", "path": "print"}).files.absolute_path == str(tmp_path / "print")
    assert read(files={"delivery": "folder", "path": "~/print"}).files.absolute_path == "/home/shop/print"


def test_given_secrets_of_a_store_when_shown_then_none_is_in_the_text() -> None:
    secrets = {
        key: f"s3cret-{key}"
        for key in ("secret_access_key", "service_account", "account_key", "sas_token", "password", "private_key")
    }
    settings = read(files={**SFTP, **S3, **AZURE, **secrets})
    assert "s3cret" not in f"{settings.files}{settings.files.destination}"


@pytest.mark.parametrize(
    ("files", "field"),
    [
        ({"delivery": "s3"}, "files.bucket"),
        ({"delivery": "s3", "bucket": " "}, "files.bucket"),
        ({"delivery": "gcs"}, "files.bucket"),
        ({"delivery": "azure", "account": "shop"}, "files.container"),
        ({**SFTP, "host_key": ""}, "files.host_key"),
        ({"delivery": "folder", "path": ""}, "files.path"),
        ({"delivery": "folder", "path": "~nobody-of-that-name/out"}, "files.path"),
    ],
)
def test_given_a_place_for_files_that_lacks_something_when_read_then_the_error_names_it(
    files: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidSetting, match=f"`{field}`"):
        read(files=files)


@pytest.mark.parametrize("url", ["http://minio.example", "http://169.254.169.254", "https://key:secret@minio.example"])
def test_given_an_endpoint_that_is_not_https_when_read_then_it_is_refused(url: str) -> None:
    assert read(files={**S3, "endpoint": "http://127.0.0.1:9000"}).files.endpoint == "http://127.0.0.1:9000"
    with pytest.raises(InvalidSetting, match=r"`files\.endpoint`"):
        read(files={**S3, "endpoint": url})
    assert read(files={"delivery": "folder", "path": "/out", "endpoint": url}).files.endpoint == ""


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.1", True), ("::1", True), ("10.0.0.1", False), ("example.com", False), ("", False)],
)
def test_given_a_host_when_asked_then_it_is_loopback_or_not(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("url", "beside", "expected"),
    [
        ("https://cdn.example/f.pdf", "", True),
        ("https://cdn.example/f.pdf", "http://localhost:8080", True),
        ("http://127.0.0.1:9000", "", True),
        ("http://127.0.0.1:9000", "http://localhost:8080", True),
        ("http://127.0.0.1:9000", "https://api.example", False),
        ("http://cdn.example/f.pdf", "http://localhost:8080", False),
        ("ftp://127.0.0.1/f.pdf", "", False),
        ("https:///f.pdf", "", False),
        ("", "", False),
    ],
)
def test_given_an_address_when_asked_then_only_https_and_this_machine_are_private(
    url: str, beside: str, expected: bool
) -> None:
    assert is_private(url, beside) is expected


def test_given_settings_when_they_are_shown_then_their_secret_is_not() -> None:
    assert "s3cret-of-the-app" not in repr(read(client_secret="s3cret-of-the-app"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("client_id", "\ud83d"),
        ("order_ids", ["1001", "\ude00"]),
        ("acknowledge", {"mode": "order_data", "key": "printed", "value": "\ud83d"}),
        ("files", {"delivery": "folder", "path": "print\ud83d"}),
        ("files", {"delivery": "folder", "path": "print\0files"}),
        ("file_path", "{projectId}\ud83d"),
    ],
)
def test_given_a_text_that_is_none_when_read_then_the_error_names_the_field(field: str, value: Any) -> None:
    with pytest.raises(InvalidSetting, match=f"`{field}`"):
        read(**{field: value})
