"""The configuration, checked and typed."""

import json
import os
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Literal
from urllib.parse import urlsplit

from source_customerscanvas.addresses import is_private, normalised
from source_customerscanvas.errors import InvalidSetting, shorten
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
    """The business statuses whose projects are produced. With `all` there are no codes."""

    mode: Literal["all", "only", "except"] = "all"
    codes: tuple[int, ...] = ()

    def includes(self, code: object) -> bool:
        return self.mode == "all" or (code in self.codes) == (self.mode == "only")

    def covers(self, other: "Statuses") -> bool:
        """Whether every status that the other choice includes is included here."""
        codes, others = set(self.codes), set(other.codes)
        if self.mode == "only":
            return other.mode == "only" and others <= codes
        return codes.isdisjoint(others) if other.mode == "only" else codes <= others


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
        """Read a configuration that is valid against the spec (see `checks.check_configuration`).

        Raises `InvalidSetting` for what the spec cannot tell: a URL that is neither https nor http to loopback, an
        unreadable date, a text that can neither be sent nor be a path.
        """
        entered = as_entered(config)
        _check_texts(entered)
        given = _known(cls, entered)
        for name, read in _READ.items():
            if name in given:
                given[name] = read(given[name])
        given["hub_url"], given["api_url"] = _installation(entered.get("environment", {}))
        return cls(**given)


def as_entered(value: Any) -> Any:
    """A configuration as its user means it.

    Nulls, empty texts and empty lists are left out, as forms send them for a field that was left alone. Blanks around
    a text are no part of it, and 2.0 is the integer that it is in JSON.
    """
    if isinstance(value, Mapping):
        entered = {key: as_entered(one) for key, one in value.items()}
        return {key: one for key, one in entered.items() if one not in (None, "", [])}
    if isinstance(value, list):
        return [one for one in map(as_entered, value) if one != ""]
    if isinstance(value, str):
        return value.strip()
    return int(value) if isinstance(value, float) and value.is_integer() else value


def file_format(text: str) -> str:
    """A format as the connector compares it: `PDF`, `.pdf` and `*.pdf` are `pdf`, `jpg` is `jpeg`, `tif` is `tiff`."""
    text = text.strip().lower().lstrip("*").lstrip(".")
    return _SAME_FORMAT.get(text, text)


def _check_texts(config: Mapping[str, Any]) -> None:
    for name in ("environment", *Settings.__dataclass_fields__):
        if _HALF_A_CHARACTER.search(json.dumps(config.get(name), ensure_ascii=False)):
            raise InvalidSetting(name, "it contains an invalid character (half of a surrogate pair)")


def _acknowledge(value: Mapping[str, Any]) -> Acknowledge:
    given = _known(Acknowledge, value)
    since = given.pop("since", None)
    if since and given.get("mode", "none") != "none":
        given["since"] = _date(since, "acknowledge.since")
    return Acknowledge(**given)


def _statuses(value: Mapping[str, Any]) -> Statuses:
    mode = value.get("mode", "all")
    # forms keep what was entered for another alternative
    return ALL_STATUSES if mode == "all" else Statuses(mode, _unique(value.get("codes", ())))


def _files(value: Mapping[str, Any]) -> Files:
    # forms keep what was entered for another alternative
    given = _known(Files, value)
    delivery = given.get("delivery", "airbyte")
    for key in _DELIVERIES[delivery]:
        if key not in given:
            raise InvalidSetting(f"files.{key}", "it is missing")
    if any("\0" in str(given.get(key, "")) for key in ("path", "directory", "prefix")):
        raise InvalidSetting("files", "it holds a character that no path may hold")
    if delivery == "folder" and os.path.expanduser(given["path"]).startswith("~"):
        raise InvalidSetting("files.path", "it begins with the home of a user that this machine does not know")
    if delivery not in _WITH_ENDPOINT:
        given.pop("endpoint", None)
    elif "endpoint" in given:
        given["endpoint"] = _url(given["endpoint"], "files.endpoint")
    return Files(**given)


def _installation(environment: Mapping[str, Any]) -> tuple[str, str]:
    region = environment.get("region", "us")
    if region != "custom":
        return _REGIONS[region]
    hub_url, api_url = (_url(environment.get(name, ""), f"environment.{name}") for name in ("hub_url", "api_url"))
    return hub_url, api_url


def _url(text: str, field: str) -> str:
    try:
        parts = urlsplit(text)
        # a password in the URL would be written to logs, and a query has no meaning in a base address
        is_base = not (parts.username or parts.password or parts.query or parts.fragment)
        url = normalised(text) if is_base and is_private(text) else ""
    except ValueError:
        url = ""
    if not url or not url.isprintable():
        raise InvalidSetting(
            field,
            "enter a URL that begins with https:// (http:// only for this machine itself) "  # ignore-https-check
            "and the name of a host, without user name, query or fragment",
        )
    return url.rstrip("/")


def _date(text: str, field: str) -> str:
    moment = to_utc(f"{text}T00:00:00" if len(text) == len("2024-03-05") else text)
    if moment is None:
        why = f"“{shorten(text)}” is not a date. Enter one such as 2024-03-05, or a time such as 2024-03-05T10:11:12Z"
        raise InvalidSetting(field, why)
    return moment


def _shard(value: Mapping[str, Any]) -> Shard | None:
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


def _unique(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(sorted(set(values)))


def _known(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    # unknown keys are allowed by the spec
    fields: Mapping[str, Any] = cls.__dataclass_fields__  # type: ignore[attr-defined]  # every caller passes a dataclass
    return {key: value for key, value in values.items() if key in fields}


_READ: Mapping[str, Callable[[Any], Any]] = {
    "storefront_ids": _unique,
    "order_ids": _unique,
    "start_date": lambda text: _date(text, "start_date"),
    "artifact_types": _unique,
    "file_formats": lambda formats: _unique(filter(None, map(file_format, formats))) or None,
    "files": _files,
    "statuses": _statuses,
    "shard": _shard,
    "processing": lambda value: Processing(**_known(Processing, value)),
    "acknowledge": _acknowledge,
}
"""How a setting is read that is not taken as it stands."""
