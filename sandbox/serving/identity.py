"""The identity server: tokens for client credentials, and what a token allows."""

from __future__ import annotations

import secrets
from typing import NamedTuple
from urllib.parse import parse_qs

from sandbox.clock import Clock
from sandbox.serving.messages import Reply, RequestRecord, page, problem
from sandbox.switches import Switches

CLIENT_ID = "sandbox"
CLIENT_SECRET = "sandbox-secret"
TOKEN_PATH = "/connect/token"


class _Token(NamedTuple):
    """`granted` None: the token can what the app can, also when that is changed later."""

    given: float
    expires: float
    granted: frozenset[str] | None


class Identity:
    """Tokens that were given out, with the time at which each expires and its permissions."""

    def __init__(self, clock: Clock, switches: Switches) -> None:
        self._clock = clock
        self._switches = switches
        self._tokens: dict[str, _Token] = {}

    def hub(self, request: RequestRecord) -> Reply:
        """What the hub answers; it is a web site for everything else."""
        return self.token(request) if request.path == TOKEN_PATH else page(404, "Not Found")

    def token(self, request: RequestRecord) -> Reply:
        """`POST /connect/token`."""
        if self._switches.token_at not in ("both", request.origin):
            return page(404, "Not Found")
        if request.method != "POST":
            return problem(405, "Method Not Allowed")
        form = {name: values[-1] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
        if form.get("grant_type") != "client_credentials":
            return Reply(400, {"error": "unsupported_grant_type"})
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return self._wrong_client()
        wanted = frozenset(form.get("scope", "").split())
        held = _with_read(frozenset(self._switches.permissions))
        if not wanted <= held:
            return Reply(400, {"error": "invalid_scope"})
        token = secrets.token_urlsafe(32)
        lifetime, now = self._switches.token_lifetime, self._clock.lifetime()
        self._tokens[token] = _Token(now, now + lifetime, _with_read(wanted) if wanted else None)
        scope = " ".join(sorted(wanted or self._switches.permissions))
        answer = {"access_token": token, "expires_in": lifetime, "token_type": "Bearer", "scope": scope}
        return Reply(200, answer, headers={"Cache-Control": "no-store"})

    def _wrong_client(self) -> Reply:
        answer = self._switches.wrong_client_answer
        if answer == "400":
            return Reply(400, {"error": "invalid_client"})
        return page(401, "Unauthorized") if answer == "401 page" else Reply(401)

    def expire_tokens(self) -> None:
        """No token given out so far is good any more."""
        self._tokens.clear()

    def refusal(self, request: RequestRecord, permission: str | None) -> Reply | None:
        """The 401 or 403 that a request deserves; None: it may go on."""
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        token, now = self._tokens.get(text.strip()), self._clock.lifetime()
        if (
            token is None
            or scheme.lower() != "bearer"
            or token.expires <= now
            or now - token.given < self._switches.token_valid_after
        ):
            reply = problem(401, "Unauthorized")
            reply.headers["WWW-Authenticate"] = "Bearer"
            return reply
        held = _with_read(frozenset(self._switches.permissions)) if token.granted is None else token.granted
        if permission is not None and permission not in held:
            return problem(403, "Forbidden", f"The app lacks the permission {permission}.")
        if self._switches.tenant_required and "tenantId" not in request.query:
            return problem(400, "Bad Request", "tenantId is required.")
        return None


def _with_read(permissions: frozenset[str]) -> frozenset[str]:
    """Full access includes reading."""
    return permissions | {name[:-4] + "read" for name in permissions if name.endswith("_full")}
