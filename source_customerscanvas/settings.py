"""The configuration, checked and typed."""

import json
import os
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Literal
from urllib.parse import urlsplit

from source_customerscanvas.addresses import is_private, normalised, origin_of
from source_customerscanvas.errors import InvalidDate, InvalidSetting, InvalidUrl
from source_customerscanvas.times import to_utc

# https://customerscanvas.com/dev/backoffice/auth.html: one identity server and one API gateway an installation
_REGIONS = {
    "us": ("https://customerscanvashub.com", "https://api.customerscanvashub.com"),
    "eu": ("https://eu.customerscanvashub.com", "https://api.eu.customerscanvashub.com"),
    "au": ("https://au.customerscanvashub.com", "https://api.au.customerscanvashub.com"),
}


_INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
"""Where Kubernetes tells a pod of an Indexed Job its index: https://kubernetes.io/docs/concepts/workloads/controllers/job/"""


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


DEFAULT_FILE_PATH = "{storefrontId}/{orderId}/{projectId}/{name}"

_MODE_OF = {"key": "order_data", "name": "transition"}
"""The mode of `acknowledge` that cannot do without a text."""

_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")
_SAME_FORMAT = {"jpg": "jpeg", "tif": "tiff"}

_DELIVERIES: dict[str, tuple[str, ...]] = {
    "airbyte": (),
    "s3": ("bucket",),
    "gcs": ("bucket",),
    "azure": ("account", "container"),
    "sftp": ("host", "user", "host_key"),
    "folder": ("path",),
    "none": (),
}
"""What each delivery cannot do without."""

_WITH_ENDPOINT = frozenset({"s3", "azure"})


@dataclass(frozen=True)
class Files:
    """Who stores the files, and where; each delivery has keys of its own (see `files` in the spec).

    `endpoint` is without a slash at its end, `prefix` and `directory` are as they were entered.
    """

    delivery: Literal["airbyte", "s3", "gcs", "azure", "sftp", "folder", "none"] = "airbyte"
    bucket: str = ""
    prefix: str = ""
    region: str = ""
    endpoint: str = ""
    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)
    service_account: str = field(default="", repr=False)
    account: str = ""
    container: str = ""
    account_key: str = field(default="", repr=False)
    sas_token: str = field(default="", repr=False)
    host: str = ""
    port: int = 22
    user: str = ""
    password: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    host_key: str = ""
    directory: str = ""
    path: str = ""

    @property
    def destination(self) -> str:
        """Where files go, without any secret. When it changes, all files are delivered again."""
        prefix = self.prefix.strip("/")
        if self.delivery == "s3":
            return f"s3://{self.bucket}/{prefix}" + (f"@{self.endpoint}" if self.endpoint else "")
        if self.delivery == "gcs":
            return f"gs://{self.bucket}/{prefix}"
        if self.delivery == "azure":
            place = f"azure://{self.account}/{self.container}/{prefix}"
            return place + (f"@{self.endpoint}" if self.endpoint else "")
        if self.delivery == "sftp":
            return f"sftp://{self.user}@{self.host}:{self.port}/{posixpath.normpath(self.directory)}"
        if self.delivery == "folder":
            return f"folder:{self.absolute_path}"
        return self.delivery

    @property
    def absolute_path(self) -> str:
        """`path` from the root on; of a relative one, from the working directory."""
        return os.path.abspath(os.path.expanduser(self.path))


@dataclass(frozen=True)
class Statuses:
    """The business statuses whose projects are produced."""

    mode: Literal["all", "only", "except"] = "all"
    codes: tuple[int, ...] = ()

    def includes(self, code: object) -> bool:
        return self.mode == "all" or (code in self.codes) == (self.mode == "only")

    def covers(self, other: "Statuses") -> bool:
        """Whether every status that the other choice includes is included here."""
        codes, others = set(self.codes), set(other.codes)
        if self.mode == "only":
            return other.mode == "only" and others <= codes
        excluded = codes if self.mode == "except" else set()
        if other.mode == "only":
            return not excluded & others
        return excluded <= (others if other.mode == "except" else set())


ALL_STATUSES = Statuses()


@dataclass(frozen=True)
class Shard:
    """One of `count` disjoint parts of the orders."""

    count: int
    index: int

    def has(self, storefront_id: object, order_id: str | None, project_id: int) -> bool:
        """Whether an order belongs to this part; a project without an order is one of its own."""
        text = f"{storefront_id}/{order_id}" if order_id else f"{storefront_id}//{project_id}"
        return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big") % self.count == (
            self.index
        )

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def from_text(cls, text: str) -> "Shard":
        """The reverse of `str`. Raises `ValueError`."""
        index, count = map(int, text.split("/"))
        return cls(count, index)


@dataclass(frozen=True)
class Settings:
    """A configuration that fits the spec. Times are as `times.format_utc` writes them; None means "no limit"."""

    client_id: str
    client_secret: str = field(repr=False)
    hub_url: str
    api_url: str
    tenant_id: int | None = None
    storefront_ids: tuple[int, ...] | None = None
    order_ids: tuple[str, ...] | None = None
    start_date: str | None = None
    artifact_types: tuple[str, ...] = ("Final",)
    file_formats: tuple[str, ...] | None = None
    files: Files = Files()
    file_path: str = DEFAULT_FILE_PATH
    statuses: Statuses = Statuses()
    order_manifest: bool = False
    shard: Shard | None = None
    processing: Processing = Processing()
    acknowledge: Acknowledge = Acknowledge()
    lookback_minutes: int = 10
    num_workers: int = 16

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Settings":
        """Read a configuration that is valid against the spec.

        Empty lists, texts and nulls mean the default, as forms send them for a field that was left alone; blanks
        around texts are no part of them.
        Raises `InvalidUrl` for a URL that is neither https nor http to loopback, `InvalidDate` for an unreadable date,
        `InvalidSetting` for a text that can neither be sent nor be a path.
        """
        config = _trimmed(plain(config))
        _check_texts(config)
        hub_url, api_url = _installation(config.get("environment", {}))
        acknowledge, statuses = config.get("acknowledge", {}), config.get("statuses", {})
        for name in ("key", "name"):
            if acknowledge.get(name) == "" and acknowledge.get("mode") == _MODE_OF[name]:
                raise InvalidSetting(f"acknowledge.{name}", "it is empty")
        since = acknowledge.pop("since", "")
        if since and acknowledge.get("mode", "none") != "none":
            acknowledge["since"] = _date(since, "acknowledge.since")
        return cls(
            client_id=config["client_id"],
            client_secret=config["client_secret"],
            hub_url=hub_url,
            api_url=api_url,
            tenant_id=config.get("tenant_id"),
            storefront_ids=_unique(config.get("storefront_ids")),
            order_ids=_unique(filter(None, config.get("order_ids") or [])),
            start_date=_date(config["start_date"], "start_date") if config.get("start_date") else None,
            artifact_types=_unique(config.get("artifact_types")) or ("Final",),
            file_formats=_unique(filter(None, map(file_format, config.get("file_formats") or []))),
            files=_files(config.get("files", {})),
            file_path=config.get("file_path") or DEFAULT_FILE_PATH,
            statuses=_statuses(statuses),
            order_manifest=config.get("order_manifest", False),
            shard=_shard(config.get("shard")),
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


def file_format(text: str) -> str:
    """A format as the connector compares it: `PDF`, `.pdf` and `*.pdf` are `pdf`, `jpg` is `jpeg`, `tif` is `tiff`."""
    text = text.strip().lower().lstrip("*").lstrip(".")
    return _SAME_FORMAT.get(text, text)


def _check_texts(config: Mapping[str, Any]) -> None:
    for name in ("environment", *Settings.__dataclass_fields__):
        if _HALF_A_CHARACTER.search(json.dumps(config.get(name), ensure_ascii=False)):
            raise InvalidSetting(name, "it contains an invalid character (half of a surrogate pair)")


def _trimmed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _trimmed(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_trimmed(one) for one in value]
    return value.strip() if isinstance(value, str) else value


def _statuses(value: Mapping[str, Any]) -> Statuses:
    mode = value.get("mode", "all")
    # forms keep what was entered for another alternative
    return ALL_STATUSES if mode == "all" else Statuses(mode, _unique(value.get("codes")) or ())


def _files(config: Mapping[str, Any]) -> Files:
    delivery = config.get("delivery") or "airbyte"
    if delivery not in _DELIVERIES:
        raise InvalidSetting("files.delivery", f"it has to be one of {', '.join(_DELIVERIES)}")
    # forms keep what was entered for another alternative
    given = {key: value for key, value in _known(Files, config).items() if value != ""}
    for key in _DELIVERIES[delivery]:
        if key not in given:
            raise InvalidSetting(f"files.{key}", "it is missing")
    if any("\0" in str(given.get(key, "")) for key in ("path", "directory", "prefix")):
        raise InvalidSetting("files", "it holds a character that no path may hold")
    if delivery == "folder" and os.path.expanduser(given["path"]).startswith("~"):
        raise InvalidSetting("files.path", "it begins with the home of a user that this machine does not know")
    if delivery not in _WITH_ENDPOINT:
        given.pop("endpoint", None)
    elif given.get("endpoint"):
        given["endpoint"] = _url(given["endpoint"], "files.endpoint")
    return Files(**{**given, "delivery": delivery})


def _installation(environment: Mapping[str, Any]) -> tuple[str, str]:
    region = environment.get("region") or "us"
    if region != "custom":
        return _REGIONS[region]
    return _url(environment["hub_url"], "environment.hub_url"), _url(environment["api_url"], "environment.api_url")


def _url(text: str, field: str) -> str:
    try:
        parts = urlsplit(text.strip())
        origin_of(text.strip())  # which no port passes that is none
        is_usable = is_private(text.strip())
    except ValueError:
        raise InvalidUrl(field) from None
    # a password in the URL would be written to logs, and a query has no meaning in a base address
    if not is_usable or parts.username or parts.password or parts.query or parts.fragment:
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


def _shard(value: Mapping[str, Any] | None) -> Shard | None:
    """Raises `InvalidSetting` for an index that does not fit, or that neither the setting nor the environment names."""
    if not value:
        return None
    # the spec does not require it, as Airbyte's form would then ask for it where no shard is wanted
    if "count" not in value:
        raise InvalidSetting("shard.count", "it is missing")
    count, index = value["count"], value.get("index")
    if index is None:
        text = os.environ.get(_INDEX_VARIABLE, "").strip()
        if not text.isascii() or not text.isdigit():
            where = f"the environment's {_INDEX_VARIABLE} is " + (f"“{text}”" if text else "not set")
            raise InvalidSetting("shard.index", f"it is left out, and {where}: enter a number from 0 to {count - 1}")
        index = int(text)
    if not 0 <= index < count:
        raise InvalidSetting("shard.index", f"it is {index}, and has to be from 0 to {count - 1}")
    return Shard(count, index)


def _unique(values: Any) -> Any:
    return tuple(sorted(set(values or ()))) or None


def _known(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    # unknown keys are allowed by the spec
    fields: Mapping[str, Any] = cls.__dataclass_fields__  # type: ignore[attr-defined]  # every caller passes a dataclass
    return {key: value for key, value in values.items() if key in fields}
