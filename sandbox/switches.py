"""Everything that the API's documentation leaves open, as a switch, so that a test can try each way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from sandbox.clock import TimeFormat

ALL_PERMISSIONS = frozenset({"Projects_full", "Artifacts_full", "Storefronts_read", "Tenants_read"})
Link = Literal["works", "null", "internal", "refused", "expired"]
"""A public artifact's `url`: gives the file; null; http to a host that nobody knows; 403 for ever; 410."""
OrderAnswer = Literal["given", "404", "409", "501", "problem"]


@dataclass
class Switches:
    """One attribute for each open question; the defaults are what a plain ASP.NET service would do.

    They can be changed at any time; those that move times or statuses count for what happens from then on.
    """

    # Lists
    page_cap: int = 100
    """The greatest page that the server gives, whatever was asked."""
    default_take: int | None = None
    """The page size when none is asked; None: `page_cap`."""
    default_sorting: str = "Id ASC"
    nulls_first: Literal["low", "high", "first", "last"] = "low"
    """Where null times sort: as the smallest or the greatest value, or first or last in either direction."""
    unknown_sort: Literal["ignore", "refuse"] = "ignore"
    tie_break: Literal["id", "unstable"] = "id"
    """`unstable`: rows with equal sort keys come in another order in every request."""
    items_null_when_empty: bool = False
    row_padding: int = 0
    """Bytes that make every project's row wide, in its first item's `fields`."""
    date_period_looks_at: Literal["created", "modified"] = "created"

    # Times
    time_format: TimeFormat = "7Z"
    datetime_digits: int | None = None
    """Fractional digits; None: those of the format, seven or none."""
    shop_clock_ahead: float = 0.0
    """Seconds by which the shop's clock is ahead of the sandbox's (negative: behind). `created`, `lastModified` and
    each answer's `Date` follow the shop's."""

    # Processing
    processing_moves_last_modified: bool = False
    """Each change of `processingStatus` moves the project's `lastModified`."""
    run_moves_last_modified: bool = False
    """Resuming or restarting moves the project's `lastModified`."""
    results_before_run: Literal["pending", "404", "204"] = "pending"
    processing_status_before_run: Literal["Pending"] | None = None
    processing_status_lag: float = 0.0
    """Seconds by which the project's `processingStatus` lags behind its results; negative: the results lag."""
    output_null_until_completed: bool = True
    """False: an empty list instead of null."""
    output_null_when_empty: bool = False
    """A run that completed without a file has null instead of an empty list."""
    output_appears_with_item: bool = False
    """Files of items that are processed are in the whole project's results before it is completed."""
    failure_shows: Literal["at end", "at once"] = "at end"
    """When a project is `Failed` of whose items one failed: after the others have ended, or while they still run."""
    completed_before_post_processing: bool = False
    """Results say `Completed` from the end of the last item's run until the post-processing run begins."""
    restart_without_item: Literal["all", "failed"] = "all"
    """What a restart without `itemId` concerns where an item has failed."""
    final_artifacts_appear_early: bool = False
    """Final artifacts are listed while their pipeline still runs."""
    retry_starts_after: float = 0.0
    """Seconds for which a resumed or restarted run is `Pending`."""
    retry_run_for: float | None = 30.0
    """Seconds that a resumed or restarted run takes where the project does not say; None: until told otherwise."""

    # Changes by clients
    order_data_moves_last_modified: bool = False
    status_moves_last_modified: bool = True
    """Also where the shop or a pipeline changes the business status."""

    # The shop system's orders
    order_documents: OrderAnswer = "given"
    """Whether it gives an order's document: 404, 409, 501, or `problem`: a problem document with 200."""
    order_documents_of: Mapping[Any, OrderAnswer] = field(default_factory=dict)
    """The same for single storefronts, by id."""
    order_document_padding: int = 0
    """Bytes that make every order's document long."""

    # Files
    names_without_extension: bool = False
    """Artifacts are named `print` instead of `print.pdf`."""
    formats_as_vendor_spells: bool = False
    """`Pdf`, `Jpeg`, `Png`, ... instead of `pdf`."""
    public_links: Link = "works"
    """What the `url` of public files is like: null, http to an `internal` host, 403 for ever (`refused`), 410
    `Request has expired` (`expired`)."""
    supports_range: bool = True
    sends_etag: bool = True
    sends_content_length: bool = True
    file_gone_status: int = 404
    file_redirect: bool = False
    """The authenticated file endpoint redirects to a signed address on the CDN."""
    private_url: bool = True
    """Files that need a token have a `url` too: their file endpoint."""

    # Access
    token_lifetime: int = 3600
    permissions: frozenset[str] | set[str] = field(default_factory=lambda: ALL_PERMISSIONS)
    storefronts_permission: str | None = "Storefronts_read"
    """The permission for listing storefronts; None: any token will do."""
    statuses_permission: str | None = "Projects_read"
    """For statuses and transitions."""
    pipelines_permission: str | None = None
    tenant_permission: str | None = "Tenants_read"
    token_at: Literal["both", "hub", "api"] = "both"
    """Whose `/connect/token` gives tokens; the other one answers a page with 404."""
    token_valid_after: float = 0.0
    """Seconds for which the API refuses a token that was just given out."""
    wrong_client_answer: Literal["400", "401 page", "401 empty"] = "400"
    """How a wrong client is refused: as OAuth says, or with 401 and a page or nothing."""
    tenant_required: bool = False
    """The app serves several tenants: a call without `tenantId` is refused."""
    sets_cookie: bool = False

    def update(self, **values: Any) -> None:
        """Set several at once, by name, as they come from JSON or a command line."""
        hints = get_type_hints(Switches)
        for name, value in values.items():
            if name not in hints:
                raise ValueError(f"There is no switch {name!r}. Switches: {', '.join(sorted(hints))}.")
            setattr(self, name, frozenset(value) if name == "permissions" else _checked(name, value, hints[name]))

    def as_json(self) -> dict[str, Any]:
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {**values, "permissions": sorted(self.permissions)}


def _checked(name: str, value: Any, hint: Any) -> Any:
    """The value; where only some are allowed, one of those, also for a number such as 404 that stands for its text."""
    if get_origin(hint) is not Literal and isinstance(value, Mapping):
        of_each = get_args(hint)[1]
        return {str(key): _checked(name, one, of_each) for key, one in value.items()}
    parts = [hint] if get_origin(hint) is Literal else get_args(hint)
    allowed = [option for part in parts if get_origin(part) is Literal for option in get_args(part)]
    if not allowed or (value is None and type(None) in parts):
        return value
    if str(value) not in allowed:
        raise ValueError(f"{name} is one of {', '.join(allowed)}, not {value!r}.")
    return str(value)
