"""What the command line says of a store that refuses holds no secret in any form."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, quote_plus

import pytest

from integration_tests.command_line import CommandLine, Run, bare_catalog, configured, run_all
from integration_tests.files.stores.conftest import Delivering
from integration_tests.files.stores.places import azure_sas, s3_with_rights
from sandbox import FileSpec

CATALOG = configured(bare_catalog(), "artifact_files")
WRONG_KEY = base64.b64encode(b"not the key of this account, but a secret").decode()


def forms_of(secret: str) -> set[str]:
    """A secret as it stands, in an address, in JSON, and in base64 wherever it begins there."""
    packed = set()
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"x" * before + secret.encode()).decode().rstrip("=")
            packed.add(text[(before * 8 + 5) // 6 : -1])
    return {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], *packed}


def secrets_of(files: Mapping[str, Any]) -> set[str]:
    """Those that the settings hold; of a key of several lines each, as a message may quote one."""
    texts = [str(files.get(key) or "") for key in ("secret_access_key", "account_key", "password")]
    texts += str(files.get("private_key") or "").splitlines()[1:-1]
    texts += parse_qs(str(files.get("sas_token") or "")).get("sig", [])
    texts += json.loads(files.get("service_account") or "{}").get("private_key", "").splitlines()
    return {text for text in texts if len(text) > 8}


@contextmanager
def refused(delivering: Delivering, other_key: Path) -> Iterator[dict[str, dict[str, Any]]]:
    """Settings with which the store refuses, or is not there: each with what differs."""
    delivery = delivering.place.files["delivery"]
    if delivery == "s3":
        with s3_with_rights(delivering.place, "s3:GetObject") as key:
            yield {
                "may not write": dict(key),
                "wrong key": {**key, "secret_access_key": "wr0ng/and+secret="},
                "unknown key": {"access_key_id": "AKIA0000"},
            }
    elif delivery == "gcs":
        account = json.loads(delivering.place.files["service_account"])
        private = "-----BEGIN PRIVATE KEY-----\nbm8ga2V5IG9mIGFueWJvZHk=\n-----END PRIVATE KEY-----\n"
        yield {
            "missing": {"bucket": "no-such-bucket"},
            "broken key": {"service_account": json.dumps({**account, "disable_oauth": False, "private_key": private})},
        }
    elif delivery == "azure":
        read_only = azure_sas(delivering.place.files["container"], "r")
        yield {
            "wrong key": {"account_key": WRONG_KEY},
            "broken key": {"account_key": "s3cret, no base64!"},
            "may not write": {"account_key": "", "sas_token": read_only},
        }
    else:
        yield {
            "wrong key": {"private_key": other_key.read_text()},
            "broken key": {"private_key": "-----BEGIN OPENSSH PRIVATE KEY-----\nbm8ga2V5IG9mIG1pbmU=\n-----END"},
            "password": {"private_key": "", "password": "s3cret & pässword/+"},
        }


@pytest.mark.parametrize("place", ["s3", "gcs", "azure", "sftp"], indirect=True)
def test_given_a_store_that_refuses_when_checked_and_synced_with_debug_then_no_secret_is_in_any_line(
    delivering: Delivering, tmp_path: Path
) -> None:
    delivering.add(FileSpec("print", id="one"))

    def config_of(name: str) -> dict[str, Any]:
        return delivering.sandbox.config(files={**delivering.place.files, **cases[name]})

    def run(arguments: tuple[str, str], folder: Path) -> Run:
        name, what = arguments
        command = CommandLine(folder)
        if what == "check":
            return command.check(config_of(name), "--debug")
        return command.read(config_of(name), CATALOG, None, "--debug")

    with refused(delivering, tmp_path / "other") as cases:
        # a check meets what a sync meets, so that one of each store is enough
        commands = {name: (name, "read") for name in cases} | {"check": (next(iter(cases)), "check")}
        done = run_all(run, commands, tmp_path)

    assert done["check"].connection_status["status"] == "FAILED"
    for command, run_ in done.items():
        if command != "check":
            assert run_.traces[-1]["failure_type"] == "config_error", command
        assert run_.logs("DEBUG"), command
        secrets = secrets_of({**delivering.place.files, **cases[commands[command][0]]})
        assert secrets, command
        for form in {form for secret in secrets for form in forms_of(secret)}:
            assert form not in run_.output + run_.errors, command


def test_given_a_secret_when_looked_for_then_each_form_of_it_is_found() -> None:
    secret = 's3cret/+"&= of the shop'
    basic = base64.b64encode(f"user:{secret}".encode()).decode()
    for text in (secret, quote(secret, safe=""), quote_plus(secret), json.dumps({"key": secret}), basic):
        assert any(form in text for form in forms_of(secret))
