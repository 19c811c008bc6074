"""The lists of one slice's projects, in the orders in which a scan and a watch read them."""

from collections.abc import Sequence

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.listing import FetchPage, Page, first_with, row_id, walk
from source_customerscanvas.api.projects import Project, project_list, projects_of_order
from source_customerscanvas.errors import ServerTrouble
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.reporting import pass_over
from source_customerscanvas.sync.slices import Slice
from source_customerscanvas.times import to_utc

NEWEST_MODIFIED = "LastModified DESC,Id DESC"
NEWEST_CREATED = "Created DESC,Id DESC"
TIME_OF = {NEWEST_MODIFIED: "lastModified", NEWEST_CREATED: "created"}
BY_ID = "Id ASC"
NEWEST_ID = "Id DESC"


def is_listed(client: ApiClient, slice_: Slice, project: Project) -> bool:
    """Whether the list of all projects shows one that was asked for by its id: an obsolete one stands on no list."""
    lists = ProjectLists(client, slice_, [])
    if project.order_id:
        pages = walk(lists.fetch(BY_ID, orderId=project.order_id), lists.first(BY_ID, orderId=project.order_id))
    else:
        pages = iter([lists.page_before(project.id)])
    return any(project.id in _ids(page) for page in pages)


def projects_in_order(client: ApiClient, slice_: Slice, order_id: str) -> list[Project]:
    """The projects of an order that belong to the slice, in the order of their ids."""
    projects = projects_of_order(client.get_json, slice_.storefront_id, order_id)
    return [project for project in projects if slice_.has(project)]


class ProjectLists:
    """Asks for the lists of a slice; used by one thread."""

    def __init__(self, client: ApiClient, slice_: Slice, streams: Sequence[StreamProgress]) -> None:
        self._client = client
        self._slice = slice_
        self._streams = streams
        self._has_nameless = False

    def fetch(self, sorting: str, **filters: str | int) -> FetchPage:
        """The list in this order, of the projects that the filters choose.

        Raises `ServerTrouble` for a page in another order: on one, projects would be passed over without a word.
        """
        fetch = project_list(self._client.get_json, {**self._slice.params, "sorting": sorting, **filters})

        def in_order(skip: int) -> Page:
            page = fetch(skip)
            if not _is_in_order(page, sorting):
                raise ServerTrouble("the list of projects", f"its rows are not sorted as asked ({sorting})")
            return page

        return in_order

    def first(self, sorting: str, **filters: str | int) -> Page:
        return self.fetch(sorting, **filters)(0)

    def projects(self, page: Page) -> list[Project]:
        """The projects of a page that belong to the slice; what cannot be asked for is said once."""
        projects = [project for row in page.rows if (project := Project.from_row(row))]
        if len(projects) < len(page.rows) and not self._has_nameless:
            self._has_nameless = True
            pass_over(self._streams, f"{self._slice.describe()}: projects that are listed without a usable id")
        return [project for project in projects if self._slice.in_shard(project)]

    def top(self, sorting: str, first: Page | None = None) -> Page:
        """The page of a list on which the rows with a time begin, where those without one come before them.

        `first` is the first page of the list, where that is known. Empty where no row has a time.
        """
        fetch, field = self.fetch(sorting), TIME_OF[sorting]
        first = first or fetch(0)
        start = first_with(fetch, first, field)
        if start is None:
            return Page(first.total or 0, [], first.total)
        if start == 0:
            return first
        back = 1
        while True:
            page = fetch(max(start - back, 0))
            # a row that got its time just now has moved from before the edge to right behind it
            if page.skip == 0 or not page.rows or page.rows[0].get(field) is None:
                return page
            back *= 4

    def page_before(self, after: int) -> Page:
        """A page of the list by id that begins at or before the first project with a greater id than `after`."""
        fetch = self.fetch(BY_ID)
        page = fetch(0)
        low, high = page.end, page.total or 0
        # where the total is missing, or that of the page, nobody knows how far the list goes: ever longer steps tell it
        is_endless = high <= low and not page.is_last
        while (is_endless or low < high) and max(_ids(page), default=after) <= after:
            place = 2 * low if is_endless else (low + high) // 2
            further = fetch(place)
            # a server that takes no `skip` gives the same rows for ever
            # a page without a usable id may be anywhere
            if min(_ids(further), default=after + 1) <= after and further.rows != page.rows:
                page, low = further, max(further.end, low + 1)
            else:
                high, is_endless = place, False
        return page

    def newest(self, *pages: Page, until: str) -> str:
        """The latest time of these pages that is not ahead of the shop's clock, which shows `until`.

        Where all of them are ahead, it is that clock: the cursor says up to when changes are known.
        """
        # of other shards too: a shard with no project on these pages would stay without a cursor and list everything
        projects = [Project.from_row(row) for page in pages for row in page.rows]
        times = {project.latest for project in projects if project} - {""}
        return max((time for time in times if time <= until), default=until if times else "")


def _is_in_order(page: Page, sorting: str) -> bool:
    if sorting == BY_ID:
        return _ids(page) == sorted(_ids(page))
    if sorting not in TIME_OF:
        return True
    # by both ends alone: what stands in between may be dated in a way that the server reads otherwise
    times = [time for row in page.rows if (time := to_utc(row.get(TIME_OF[sorting])))]
    return not times or times[0] >= times[-1]


def _ids(page: Page) -> list[int]:
    return [id_ for row in page.rows if (id_ := row_id(row)) is not None]
