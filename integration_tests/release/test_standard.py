"""The CDK's standard tests, with the scenarios of acceptance-test-config.yml against the sandbox."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from airbyte_cdk.test.models import ConnectorTestScenario
from airbyte_cdk.test.models.scenario import ScenarioCommand
from airbyte_cdk.test.standard_tests import SourceTestSuiteBase
from airbyte_cdk.test.standard_tests._job_runner import IConnector, run_test_job

from sandbox import Sandbox
from source_customerscanvas import source
from source_customerscanvas.api import client
from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.source import SourceCustomersCanvas
from source_customerscanvas.sync import reading
from source_customerscanvas.times import SystemClock

ROOT = Path(__file__).parents[2]

REASONS = {
    "wrong_client": "does not accept this client id and secret",
    "wrong_host": "does not answer like a Customer's Canvas installation",
    "unreachable": "No answer from",
    "missing_permission": "lacks the permission “Artifacts: Read”",
    "unknown_storefront": "No such storefront: 999",
    "http_url": "The setting `environment.hub_url` cannot be used: enter a URL",
    "bad_date": "is not a date",
    "bad_setting": "1000 is greater than the maximum of 64",
}
"""Of each scenario that has to fail, what its message says and no other's does."""


COMMANDS: dict[str, tuple[ScenarioCommand, ...]] = {
    "test_config_matches_spec": ("spec",),
    "test_check": ("check",),
    "test_given_a_scenario_when_checked_then_the_message_says_what_is_wrong_with_it": ("check",),
    "test_discover": ("discover",),
    "test_basic_read": ("read",),
    "test_fail_read_with_bad_catalog": ("read",),
}

# named when the tests are collected, filled when they run
CONFIGS = Path(tempfile.gettempdir()) / f"source-customerscanvas-{os.getpid()}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test the scenarios that it is for; the CDK's own hook gives it all, and it skips the others."""
    if "scenario" in metafunc.fixturenames:
        commands = COMMANDS[metafunc.function.__name__]
        scenarios = [one for one in TestStandards.get_scenarios() if one.runs(*commands)]
        metafunc.parametrize("scenario", scenarios, ids=[one.id for one in scenarios])


@pytest.fixture(autouse=True, scope="module")
def configs() -> Iterator[None]:
    """The configurations that acceptance-test-config.yml names, for a sandbox that serves while the tests run."""
    with Sandbox(projects=20) as sandbox, Sandbox(projects=1) as poor, socket.socket() as silent:
        poor.switches.permissions = {"Projects_read", "Storefronts_read", "Tenants_read"}
        # bound but not listening: a connection is refused
        silent.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{silent.getsockname()[1]}"
        contents = {
            "config": sandbox.config(),
            "wrong_client": sandbox.config(client_secret="not-the-secret"),
            "wrong_host": sandbox.config(environment=custom(sandbox.url, sandbox.cdn_url)),
            "unreachable": sandbox.config(environment=custom(nobody, sandbox.url)),
            "missing_permission": poor.config(),
            "unknown_storefront": sandbox.config(storefront_ids=[11, 999]),
            "http_url": sandbox.config(environment=custom("http://hub.example.com", "http://api.example.com")),
            "bad_date": sandbox.config(start_date="last week"),
            "bad_setting": sandbox.config(num_workers=1000),
        }
        CONFIGS.mkdir()
        for name, config in contents.items():
            (CONFIGS / f"{name}.json").write_text(json.dumps(config), encoding="utf-8")
        yield
    shutil.rmtree(CONFIGS)


@pytest.fixture(autouse=True)
def quick_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-offs take no time to speak of."""
    clock = SystemClock(30)
    for module in (client, reading, source):
        monkeypatch.setattr(module, "ApiClient", lambda settings, *_, **options: ApiClient(settings, clock, **options))


def custom(hub_url: str, api_url: str) -> dict[str, str]:
    return {"region": "custom", "hub_url": hub_url, "api_url": api_url}


class TestStandards(SourceTestSuiteBase):
    @classmethod
    def get_scenarios(cls) -> list[ConnectorTestScenario]:
        scenarios = super().get_scenarios()
        return [one.model_copy(update={"config_path": CONFIGS / f"{one.id}.json"}) for one in scenarios]

    @classmethod
    def create_connector(cls, scenario: ConnectorTestScenario | None) -> IConnector:
        # without a configuration the source could not be built, and each failing scenario would fail for that reason
        config = scenario.get_config_dict(connector_root=ROOT, empty_if_missing=True) if scenario else None
        return SourceCustomersCanvas(config=config)

    def test_given_a_scenario_when_checked_then_the_message_says_what_is_wrong_with_it(
        self, scenario: ConnectorTestScenario
    ) -> None:
        checked = run_test_job(self.create_connector(scenario), "check", test_scenario=scenario, connector_root=ROOT)
        (said,) = checked.connection_status_messages
        message = said.connectionStatus.message if said.connectionStatus else None
        expected = [] if scenario.status == "succeed" else [scenario.id]
        assert [name for name, reason in REASONS.items() if reason in (message or "")] == expected, message


# these build the image, for which they need Docker
for name in dir(TestStandards):
    if name.startswith("test_docker_image"):
        setattr(TestStandards, name, None)


def test_given_the_scenarios_when_listed_then_each_that_fails_has_its_reason() -> None:
    failing = {one.id for one in TestStandards.get_scenarios() if one.status == "failed"}
    assert failing == REASONS.keys()
