"""One question to the API or for a file, and the head of its answer: with the token, and after redirects."""

import requests

from source_customerscanvas.addresses import is_private, origin_of
from source_customerscanvas.api.access_token import AccessToken
from source_customerscanvas.api.calls import Call, redirected
from source_customerscanvas.api.failures import Failed
from source_customerscanvas.api.judging import Judge
from source_customerscanvas.api.transport import Answer, Transport
from source_customerscanvas.errors import Refused, ServerTrouble, WrongHost
from source_customerscanvas.settings import Settings

_MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Exchange:
    """Shared by all workers. Raises `Failed` for what may pass, and errors of `errors` for what will not."""

    def __init__(self, settings: Settings, transport: Transport, token: AccessToken, judge: Judge) -> None:
        self._settings = settings
        self._transport = transport
        self._token = token
        self._judge = judge
        self._api = origin_of(settings.api_url)

    def ask(self, call: Call) -> requests.Response:
        """The head of a good answer, or of one that a download knows how to go on from (416). To be closed."""
        answer = self._follow(call)
        try:
            self._judge.judge(answer, call)
        except BaseException:
            answer.response.close()
            raise
        return answer.response

    def check_address(self, url: str, where: str) -> None:
        """Raises `Refused` unless it is https; plain http is for loopback only, when the API is there too."""
        if not is_private(url, beside=self._settings.api_url):
            raise Refused(None, where, "its address is not https")

    def _follow(self, call: Call) -> Answer:
        """The first answer that is no redirect. The token stays with the API's own origin."""
        url, with_token = call.url, call.with_token
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._with_token(call, url) if with_token else self._transport.send(call, url)
            response = answer.response
            target = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or not target:
                return answer
            answer.read_beginning()
            response.close()
            if call.method != "GET":
                raise WrongHost(self._settings.api_url, f"it redirects {call.where}")
            url = redirected(url, target)
            self.check_address(url, f"{call.where}, which redirects to another address,")
            # after a redirect to another host the token is not sent again, even if that host redirects back
            with_token = with_token and origin_of(url) == self._api
        raise ServerTrouble(call.where, "it redirects without end")

    def _with_token(self, call: Call, url: str) -> Answer:
        for _ in range(2):
            answer = self._transport.send(call, url, self._token)
            response = answer.response
            if response.status_code != 401:
                return answer
            answer.read_beginning()
            response.close()
            if not self._token.reject(response.request.headers["Authorization"].removeprefix("Bearer ")):
                break
        if self._judge.has_answered:
            raise Failed(ServerTrouble(call.where, "HTTP 401, though the access token is new"), is_unprocessed=True)
        why = f"it does not accept the tokens of {self._settings.hub_url}"
        raise Failed(WrongHost(self._settings.api_url, why), is_unprocessed=True)
