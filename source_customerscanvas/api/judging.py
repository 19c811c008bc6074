"""What an answer means: a success, what may pass, or why not."""

import re
from urllib.parse import urlsplit

from source_customerscanvas.addresses import origin_of
from source_customerscanvas.api.answers import document_of, is_problem, words_of
from source_customerscanvas.api.calls import Call
from source_customerscanvas.api.failures import Failed
from source_customerscanvas.api.permissions import missing_permission
from source_customerscanvas.api.retrying import THROTTLED_SECONDS
from source_customerscanvas.api.secrets import Secrets
from source_customerscanvas.api.transport import Answer
from source_customerscanvas.errors import (
    Conflict,
    CustomersCanvasError,
    NotFound,
    NotTheApi,
    Refused,
    ServerAway,
    ServerTrouble,
    shorten,
)
from source_customerscanvas.settings import Settings

_PASSING = frozenset({304, 408, 425})
"""What says no for the moment. Nothing is asked for on a condition, so that 304 is a mistake of somebody in between."""

_THING = re.compile(r"/(projects/\d+(/order)?|artifacts/[^/]+)\Z")
"""The address of a thing itself: a 404 without a word says that it is not there."""


class Judge:
    """Shared by all workers. Raises `Failed` for what may pass, and errors of `errors` for what will not."""

    def __init__(self, settings: Settings, secrets: Secrets) -> None:
        self._secrets = secrets
        self._api = origin_of(settings.api_url)
        self._own = {self._api, origin_of(settings.hub_url)}
        self.has_answered = False
        """Whether the API itself has."""

    def judge(self, answer: Answer, call: Call) -> None:
        """Raises unless the answer is a success, or one that a download knows how to go on from."""
        response = answer.response
        status = response.status_code
        is_api = call.with_token and origin_of(response.url) == self._api
        if 200 <= status < 300 or (call.is_file and status == 416):
            self.has_answered |= is_api
            return
        body = answer.read_beginning()
        said = self.quote(body)
        trouble = self.trouble(answer, call, said)
        if trouble is not None:
            raise trouble
        is_own = is_api and is_problem(document_of(body))
        self.has_answered |= is_own
        if status == 403 and is_api:
            error = missing_permission(call)
            if _is_web_page(answer, body):
                # a firewall or a proxy on the way forbids what it likes, and knows nothing of the app
                why = f"HTTP 403 by a web page, as firewalls send it; or the app lacks {error.named}"
                raise Failed(ServerTrouble(call.where, why), is_unprocessed=True)
            error.detail = f"{call.where}: HTTP 403 {said}"
            raise error
        if status in (404, 410):
            # a gateway or a web server on the way answers this too, and knows nothing of what is there
            path = urlsplit(call.url).path
            is_thing = is_api and not body and _THING.search(path)
            # what the shop says of an order is passed on as it is
            is_shop = is_api and path.endswith("/order") and document_of(body) is not None
            if is_own or is_thing or is_shop:
                raise NotFound(call.where)
            why = f"HTTP {status}, and not in the API's own words"
            foreign = NotTheApi(call.where, why, is_known=self.has_answered)
            if not call.with_token:
                raise foreign  # a link that is no good any more
            raise Failed(foreign, is_unprocessed=True)
        if status == 409:
            raise Conflict(call.where, said)
        raise Refused(status, call.where, said)

    def quote(self, body: bytes) -> str:
        """What a server says of an error, as it may be told."""
        return shorten(self._secrets.hide(words_of(body)))

    def trouble(self, answer: Answer, call: Call, said: str) -> Failed | None:
        """What may pass: the server is in trouble, or has had enough for now. None for any other answer."""
        status = answer.response.status_code
        if status not in (429, *_PASSING) and (status < 500 or status == 501):
            return None
        asked, limit = answer.retry_after, answer.limit
        if asked is not None and asked > THROTTLED_SECONDS:
            why = f"HTTP {status}, and it asks to wait {asked / 60:.0f} minutes {said}"
            why = f"too many requests ({why.strip()})" if status == 429 else why.strip()
            return Failed(self._too_long(call, why), is_permanent=True)
        if status == 429:
            error = ServerTrouble(call.where, f"too many requests (HTTP 429), for more than ten minutes {said}".strip())
        else:
            error = ServerTrouble(call.where, f"HTTP {status} {said}".strip())
        return Failed(error, limit, is_unprocessed=status == 425 or (limit is not None and limit.is_told))

    def _too_long(self, call: Call, why: str) -> CustomersCanvasError:
        origin = origin_of(call.url)
        return ServerAway(origin[1], why) if origin in self._own else ServerTrouble(call.where, why)


def _is_web_page(answer: Answer, body: bytes) -> bool:
    return "html" in answer.response.headers.get("Content-Type", "").lower() or body.lstrip().startswith(b"<")
