"""Asks an identity server for access tokens."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from source_customerscanvas.addresses import origin_of
from source_customerscanvas.api.answers import document_of, read_body
from source_customerscanvas.api.calls import USER_AGENT, Call
from source_customerscanvas.api.failures import Failed
from source_customerscanvas.api.judging import Judge
from source_customerscanvas.api.outages import Outage
from source_customerscanvas.api.retrying import Retrying
from source_customerscanvas.api.speed import LeastSpeed
from source_customerscanvas.api.transport import Transport
from source_customerscanvas.errors import Refused, ServerTrouble, WrongClient, WrongHost
from source_customerscanvas.settings import Settings
from source_customerscanvas.times import Clock

_TOKEN = re.compile(r"[!-~]+\Z")


class TokenEndpoint:
    """`{hub}/connect/token`, or the gateway's where the identity server has none from the start.

    https://customerscanvas.com/dev/backoffice/auth.html; one of the vendor's samples asks the gateway.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        transport: Transport,
        judge: Judge,
        retrying: Retrying,
        outage: Outage,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._transport = transport
        self._judge = judge
        self._retrying = retrying
        self._outage = outage
        self._base = settings.hub_url
        self._has_given = False

    def request(self) -> Mapping[str, Any]:
        """The answer with a new token. Only a refusal raises a configuration error at once.

        Where there was a token before, it has to be a well-formed one: a page may be somebody's in between.
        """
        # the worker that asks holds a slot already, for the request that the token is for;
        # asking twice for a token does no harm, so this POST is repeatable
        answer = self._retrying.run(lambda: self._once(self._base), self._outage)
        self._has_given = True
        return answer

    def _once(self, base: str, *, is_guess: bool = False) -> Mapping[str, Any]:
        call = self._call(base)
        answer = self._transport.send(call, call.url)
        response = answer.response
        try:
            body = read_body(response, LeastSpeed(self._clock))
        finally:
            response.close()
        status = response.status_code
        said = self._judge.quote(body)
        trouble = self._judge.trouble(answer, call, said)
        if trouble is not None:
            raise trouble
        document = document_of(body) or {}
        token = document.get("access_token")
        # other characters would fail in the HTTP library, whose error quotes the token
        if status == 200 and isinstance(token, str) and _TOKEN.match(token):
            self._base = base
            return document
        is_refused = status == 401 and not is_guess and not self._has_given
        if is_refused or document.get("error") == "invalid_client":
            raise WrongClient(base)
        if status >= 400 and isinstance(document.get("error"), str):
            raise Refused(status, "the request for a token", said, failure_type="config_error")
        gateway = self._settings.api_url
        if status == 404 and not self._has_given and origin_of(base) != origin_of(gateway):
            with suppress(Failed):  # as it is no identity server
                return self._once(gateway, is_guess=True)
        # a page in place of the token may also be somebody's in between, for a moment
        why = f"HTTP {status} and no token in answer to a request for one"
        raise Failed(ServerTrouble(call.where, why) if self._has_given else WrongHost(base, why))

    def _call(self, base: str) -> Call:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._settings.client_id,
            "client_secret": self._settings.client_secret,
        }
        headers = {
            "User-Agent": USER_AGENT,
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return Call("POST", f"{base}/connect/token", headers, urlencode(form).encode(), with_token=False)
