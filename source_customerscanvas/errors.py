"""The errors of the connector.

    CustomersCanvasError
    ├── ConfigurationError            the user changes the connection's settings
    │   ├── UnreadableInput           a file that the command line names
    │   ├── InvalidSetting            a value that is not allowed, or that the tenant does not have
    │   ├── UnknownStorefront         one that the app cannot see
    │   ├── UnreadableState
    │   ├── UnknownStream, DoubledStream, NeedsItsSource     what the catalog asks for
    │   ├── WrongClient               the identity server does not know the client or its secret
    │   ├── WrongHost                 what answers there is not a Customer's Canvas installation
    │   ├── MissingPermission         the external app may not do what is asked of it
    │   ├── MissingCertificates       the environment names a CA bundle that is not there
    │   └── StoreUnavailable          the place where files go refuses them (wrong key, no room, read-only, gone)
    ├── TransientError                the same request may succeed later
    │   ├── Unreachable               no connection, a reset, a time-out
    │   ├── ServerTrouble             5xx, 429 for too long, an HTML page, a body that is not what was asked for
    │   │   └── NotTheApi             a 404 of somebody in between
    │   ├── ServerAway                nothing is answered for minutes, or a long wait is asked for: the sync ends
    │   ├── BrokenDownload            a file that never came whole
    │   └── StoreAway                 the place where files go does not answer
    ├── NotFound                      404 or 410, by the API itself
    ├── FileRefused                   the place where files go takes others, but not this one
    ├── Conflict                      409
    ├── Refused                       any other status that says no
    ├── ProjectsFailed                the sync ended, but these projects could not be read
    ├── InternalError                 a mistake of the connector
    └── Stopped                       the sync is being ended: no user sees this one

This module knows nothing of the framework: `streams` and `source` turn these into its traced exceptions.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

FailureType = Literal["config_error", "transient_error", "system_error"]

_LONGEST_QUOTE = 200
_QUERY = re.compile(r"(https?://[^\s?#\"'<>]*)[?#][^\s\"'<>]*", re.IGNORECASE)
_NAMED_PROJECTS = 20
_APP_SETTINGS = "Settings > External apps"


def shorten(text: str) -> str:
    """Words of a server as they may stand in a message: one printable line of at most 200 characters.

    The query of an address is left out, it may be a signature.
    """
    text = _QUERY.sub(r"\1", text)
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= _LONGEST_QUOTE else line[: _LONGEST_QUOTE - 1] + "…"


def _writable(text: str) -> str:
    # the name of a file, for one, may hold bytes that are no character
    return text.encode("utf-8", "replace").decode()


class CustomersCanvasError(Exception):
    """What happened, where, and what the user can do about it.

    `message` is for the user, `detail` for the log. Neither holds a secret, a token or the query of a URL.
    """

    failure_type: FailureType = "system_error"

    def __init__(self, message: str, detail: str | None = None) -> None:
        self.message = _writable(message)
        self.detail = detail and _writable(detail)
        super().__init__(self.message)


class ConfigurationError(CustomersCanvasError):
    """The sync cannot succeed before the user changes a setting, here or in Customer's Canvas."""

    failure_type: FailureType = "config_error"


class UnreadableInput(ConfigurationError):
    """`what` is the option that names the file: `config`, `catalog` or `state`."""

    def __init__(self, what: str, path: str, why: str, detail: str | None = None) -> None:
        super().__init__(f"The file {path} cannot be read as the {what}: {shorten(why)}.", detail)


class InvalidSetting(ConfigurationError):
    """`why` leaves out the value where that may be a secret, or an address with a password."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"The setting `{field}` cannot be used: {why}.")


class UnknownStorefront(ConfigurationError):
    """Some `storefront_ids` are not there; `existing` are those that the app can see, as (id, name)."""

    def __init__(self, missing_ids: Sequence[int], existing: Sequence[tuple[int, str | None]]) -> None:
        missing = ", ".join(map(str, missing_ids))
        seen = ", ".join(f"{id_} ({shorten(name or 'unnamed')})" for id_, name in existing[:_NAMED_PROJECTS])
        if len(existing) > _NAMED_PROJECTS:
            seen += f" and {len(existing) - _NAMED_PROJECTS} more"
        if not missing_ids:
            super().__init__(
                "The app can see no storefront. Check that `environment` and `tenant_id` are those of your shop, and "
                "that a storefront is there under Settings > Integrations."
            )
            return
        super().__init__(
            f"No such storefront: {missing}. The app can see {seen or 'none at all'}. Correct `storefront_ids`, or "
            "check that `environment` and `tenant_id` are the ones these storefronts belong to."
        )


class UnknownStream(ConfigurationError):
    def __init__(self, unknown: Sequence[str], known: Sequence[str]) -> None:
        super().__init__(
            f"The catalog asks for streams that there are not: {shorten(', '.join(unknown))}. Refresh the connection's "
            f"schema; the streams are {', '.join(known)}."
        )


class DoubledStream(ConfigurationError):
    def __init__(self, names: Sequence[str]) -> None:
        named = ", ".join(f"`{shorten(name)}`" for name in names)
        super().__init__(f"The catalog names {named} twice or more: leave one entry for each stream.")


class NeedsItsSource(ConfigurationError):
    def __init__(self) -> None:
        super().__init__(
            "This stream cannot be read from the manifest alone: run `source-customerscanvas`, or its image."
        )


class UnreadableState(ConfigurationError):
    def __init__(self, stream: str, why: str) -> None:
        super().__init__(
            f"The saved state of stream `{stream}` cannot be read: {shorten(why)}. Reset the stream to read it anew, "
            "or restore the state or the connector version that wrote it."
        )


class WrongClient(ConfigurationError):
    def __init__(self, hub_url: str) -> None:
        super().__init__(
            f"The identity server {hub_url} does not accept this client id and secret. Copy `client_id` and "
            f"`client_secret` from {_APP_SETTINGS}, and choose in `environment` the region where the app is registered."
        )


class WrongHost(ConfigurationError):
    """`url` is a base address, without a query."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(
            f"{url} does not answer like a Customer's Canvas installation: {shorten(why)}. Correct `environment`."
        )


class MissingPermission(ConfigurationError):
    """`permission` as the app's settings name it, such as `Projects: Read`; `purpose` ends “is needed to …”.

    `alternative` is one that may do as well, where the vendor does not say which it is; `named` are both, as told.
    """

    def __init__(self, permission: str, purpose: str, alternative: str = "") -> None:
        named = f"“{permission}”" + (f" (or “{alternative}”)" if alternative else "")
        super().__init__(
            f"The external app lacks the permission {named}, which is needed to {purpose}. Grant it in {_APP_SETTINGS} "
            "> the app > permissions."
        )
        self.named = named


class MissingCertificates(ConfigurationError):
    """`variable` is the environment's, `path` what it names."""

    def __init__(self, variable: str, path: str) -> None:
        super().__init__(
            f"The certificates that the environment variable {variable} names are not there: {shorten(path)}. Put the "
            "bundle there, or unset the variable to use the built-in one."
        )


class StoreUnavailable(ConfigurationError):
    """`place` is where files were to go, `advice` what to do about it: it begins with a capital and ends with a dot."""

    def __init__(
        self,
        place: str,
        why: str,
        advice: str = "Make room or grant access there, or choose another place in `files`.",
    ) -> None:
        super().__init__(f"Files cannot be written to {place}: {shorten(why)}. {advice}")


class TransientError(CustomersCanvasError):
    """Nothing has to be changed: the next sync tries again."""

    failure_type: FailureType = "transient_error"


class Unreachable(TransientError):
    """`host` without path or query."""

    def __init__(self, host: str, why: str, detail: str | None = None) -> None:
        super().__init__(
            f"No answer from {host}: {shorten(why)}. Check `environment` and the network between Airbyte and this "
            "host; if both are right, try again later.",
            detail,
        )
        self.why = why


class ServerTrouble(TransientError):
    """`where` names what was asked for: a method and a path, a host, a list, a project."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            f"The server failed to answer {where} properly: {shorten(why)}. Try again later; if it goes on, ask the "
            "support of Customer's Canvas."
        )
        self.why = why


class NotTheApi(ServerTrouble):
    """A 404 or 410 that does not come from the API itself, but from a gateway or a web server before it.

    `is_known` says that the API has answered there before, so that the address is right.
    """

    def __init__(self, where: str, why: str, *, is_known: bool = False) -> None:
        super().__init__(where, why)
        self.is_known = is_known


class ServerAway(TransientError):
    """The API or the identity server answers nothing, or asks for a longer wait than a sync allows: it cannot go on.

    `why` is what came instead the last time.
    """

    def __init__(self, host: str, why: str) -> None:
        super().__init__(
            f"{host} is away: {shorten(why)}. What was read until now is kept, and the next sync goes on from there."
        )


class BrokenDownload(TransientError):
    """`what` names the artifact."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"The file of {what} did not come whole: {shorten(why)}. The next sync tries it again.")


class StoreAway(TransientError):
    """`is_bridged`: the store has been waited for already, and nobody has to wait again."""

    def __init__(self, place: str, why: str, *, is_bridged: bool = False) -> None:
        super().__init__(
            f"Files cannot be written to {place} for now: {shorten(why)}. Check `files`, and the network between "
            "Airbyte and this place; if both are right, try again later."
        )
        self.is_bridged = is_bridged


class FileRefused(CustomersCanvasError):
    """`path` is relative to where files go."""

    def __init__(self, place: str, path: str, why: str) -> None:
        super().__init__(
            f"{place} does not take the file {shorten(path)}: {shorten(why)}. Choose other names in `file_path`, or "
            "move away what is there."
        )
        self.why = why


class NotFound(CustomersCanvasError):
    def __init__(self, what: str) -> None:
        super().__init__(f"{what} does not exist (any more).")


class Conflict(CustomersCanvasError):
    """What is asked does not fit the present condition of the thing, which may change by itself."""

    failure_type: FailureType = "transient_error"

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where} is not possible at the moment (HTTP 409): {shorten(why) or 'no reason given'}.")


class Refused(CustomersCanvasError):
    """`status` is None where the connector itself declines to ask."""

    def __init__(
        self, status: int | None, where: str, why: str = "", failure_type: FailureType = "system_error"
    ) -> None:
        answer = f"The server refused {where} (HTTP {status})" if status else f"{where} is not asked for"
        super().__init__(f"{answer}: {shorten(why) or 'no reason given'}.")
        self.status = status
        self.failure_type = failure_type


@dataclass(frozen=True)
class Trouble:
    """Something that could not be read; `where` names the storefront, order, project and artifact as far as known."""

    where: str
    error: CustomersCanvasError

    def __str__(self) -> str:
        return f"{self.where}: {self.error.message}"


class ProjectsFailed(CustomersCanvasError):
    """Everything else was read and its state kept; the next sync takes up these projects again."""

    def __init__(self, stream: str, troubles: Sequence[Trouble]) -> None:
        where: dict[str, list[str]] = {}
        for trouble in troubles[:_NAMED_PROJECTS]:
            where.setdefault(trouble.error.message, []).append(trouble.where)
        named = "; ".join(f"{'; '.join(places)}: {message.removesuffix('.')}" for message, places in where.items())
        more = len(troubles) - _NAMED_PROJECTS
        super().__init__(
            f"Stream `{stream}`: {len(troubles)} of its projects or files could not be read and will be "
            f"tried again in the next sync: {named}" + (f"; and {more} more." if more > 0 else ".")
        )
        only_settings = troubles and all(trouble.error.failure_type == "config_error" for trouble in troubles)
        self.failure_type = "config_error" if only_settings else "transient_error"


class Stopped(CustomersCanvasError):
    def __init__(self) -> None:
        super().__init__("The sync was ended before this request was answered.")


class InternalError(CustomersCanvasError):
    """A mistake of the connector."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(
            f"The connector met something that it was not made for ({type(error).__name__}). Please report it with the "
            "log of this sync."
        )


def as_known_error(error: Exception) -> CustomersCanvasError:
    """The error itself where it is one of this module's; anything else keeps its traceback as the cause."""
    if isinstance(error, CustomersCanvasError):
        return error
    known = InternalError(error)
    known.__cause__ = error
    return known
