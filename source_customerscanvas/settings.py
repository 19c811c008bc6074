"""The configuration, checked and typed."""

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import urlsplit

from source_customerscanvas.addresses import normalised
from source_customerscanvas.errors import InvalidDate, InvalidSetting, InvalidUrl
from source_customerscanvas.times import to_utc

# https://customerscanvas.com/dev/backoffice/auth.html: one identity server and one API gateway an installation
_REGIONS = {
    "us": ("https://customerscanvashub.com", "https://api.customerscanvashub.com"),
    "eu": ("https://eu.customerscanvashub.com", "https://api.eu.customerscanvashub.com"),
    "au": ("https://au.customerscanvashub.com", "https://api.au.customerscanvashub.com"),
}


@dataclass(frozen=True)
class Processing:
    """What to do about unfinished and failed pipelines (times in the units that the names say)."""

    wait_minutes: int = 0
    poll_seconds: int = 120
    on_failure: Literal["report", "resume", "restart"] = "report"
    max_attempts: int = 3
    retry_delay_minutes: int = 5


@dataclass(frozen=True)
class Acknowledge:
    """How a delivered order is tagged in the shop; `since` as `times.format_utc` writes it."""

    mode: Literal["none", "order_data", "transition", "status"] = "none"
    key: str = ""
    value: str = ""
    name: str = ""
    code: int = 0
    since: str | None = None

    @property
    def moves_projects(self) -> bool:
        """Whether it changes the projects themselves, and not only what the shop knows of their order."""
        return self.mode in ("transition", "status")


@dataclass(frozen=True)
class Settings:
    """A configuration that fits the spec. Times are as `times.format_utc` writes them; None means "no limit"."""

    client_id: str
    client_secret: str
    hub_url: str
    api_url: str
    tenant_id: int | None = None
    storefront_ids: tuple[int, ...] | None = None
    order_ids: tuple[str, ...] | None = None
    start_date: str | None = None
    artifact_types: tuple[str, ...] = ("Final",)
    file_formats: tuple[str, ...] | None = None
    file_download: Literal["auto", "always", "never"] = "auto"
    file_directory: str | None = None
    processing: Processing = Processing()
    acknowledge: Acknowledge = Acknowledge()
    lookback_minutes: int = 10
    num_workers: int = 16

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Settings":
        """Read a configuration that is valid against the spec.

        Empty lists, texts and nulls mean the default, as forms send them for a field that was left alone.
        Raises `InvalidUrl` for a URL that is neither https nor http to loopback, `InvalidDate` for an unreadable date,
        `InvalidSetting` for a text that can neither be sent nor be a path.
        """
        config = plain(config)
        _check_texts(config)
        hub_url, api_url = _installation(config.get("environment", {}))
        acknowledge = config.get("acknowledge", {})
        since = acknowledge.pop("since", "")
        if since:
            acknowledge["since"] = _date(since, "acknowledge.since")
        return cls(
            client_id=config["client_id"],
            client_secret=config["client_secret"],
            hub_url=hub_url,
            api_url=api_url,
            tenant_id=config.get("tenant_id"),
            storefront_ids=_unique(config.get("storefront_ids")),
            order_ids=_unique(config.get("order_ids")),
            start_date=_date(config["start_date"], "start_date") if config.get("start_date") else None,
            artifact_types=_unique(config.get("artifact_types")) or ("Final",),
            file_formats=_unique(text.lower().lstrip(".") for text in config.get("file_formats") or []),
            file_download=config.get("file_download", "auto"),
            file_directory=config.get("file_directory") or None,
            processing=Processing(**_known(Processing, config.get("processing", {}))),
            acknowledge=Acknowledge(**_known(Acknowledge, acknowledge)),
            lookback_minutes=config.get("lookback_minutes", 10),
            num_workers=config.get("num_workers", 16),
        )


def plain(value: Any) -> Any:
    """A configuration without nulls, which stand for no setting, and with 2.0 as the integer that it is in JSON."""
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@lru_cache  # asked for each file
def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_texts(config: Mapping[str, Any]) -> None:
    for field in ("environment", *Settings.__dataclass_fields__):
        if not _is_text(config.get(field)):
            raise InvalidSetting(field, "it holds half a character")
    if "\0" in str(config.get("file_directory")):
        raise InvalidSetting("file_directory", "it holds a character that no path may hold")


def _is_text(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _installation(environment: Mapping[str, Any]) -> tuple[str, str]:
    region = environment.get("region") or "us"
    if region != "custom":
        return _REGIONS[region]
    return _url(environment["hub_url"], "environment.hub_url"), _url(environment["api_url"], "environment.api_url")


def _url(text: str, field: str) -> str:
    try:
        parts = urlsplit(text.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise InvalidUrl(field) from None
    # a password in the URL would be written to logs, and a query has no meaning in a base address
    if not host or parts.username or parts.password or parts.query or parts.fragment:
        raise InvalidUrl(field)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise InvalidUrl(field)
    url = normalised(text.strip())
    if not url or not url.isprintable():
        raise InvalidUrl(field)
    return url.rstrip("/")


def _date(text: str, field: str) -> str:
    moment = to_utc(f"{text}T00:00:00" if len(text) == len("2024-03-05") else text)
    if moment is None:
        raise InvalidDate(field, text)
    return moment


def _unique(values: Any) -> Any:
    return tuple(sorted(set(values or ()))) or None


def _known(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    # unknown keys are allowed by the spec
    fields: Mapping[str, Any] = cls.__dataclass_fields__  # type: ignore[attr-defined]  # every caller passes a dataclass
    return {key: value for key, value in values.items() if key in fields}
