"""The identity server: tokens for client credentials, and what a token allows."""

from __future__ import annotations

import secrets
from urllib.parse import parse_qs

from sandbox.clock import Clock
from sandbox.messages import Reply, RequestRecord, problem
from sandbox.switches import Switches

CLIENT_ID = "sandbox"
CLIENT_SECRET = "sandbox-secret"


class Identity:
    """Tokens that were given out, with the time at which each expires and its permissions."""

    def __init__(self, clock: Clock, switches: Switches) -> None:
        self._clock = clock
        self._switches = switches
        self._tokens: dict[str, tuple[float, frozenset[str] | None]] = {}

    def token(self, request: RequestRecord) -> Reply:
        """`POST /connect/token`."""
        form = {name: values[-1] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
        if form.get("grant_type") != "client_credentials":
            return Reply(400, {"error": "unsupported_grant_type"})
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return Reply(400, {"error": "invalid_client"})
        wanted = frozenset(form.get("scope", "").split())
        held = _with_read(frozenset(self._switches.permissions))
        if not wanted <= held:
            return Reply(400, {"error": "invalid_scope"})
        token = secrets.token_urlsafe(32)
        lifetime = self._switches.token_lifetime
        # Without a scope the token can what the app can, also when that is changed later.
        self._tokens[token] = (self._clock.lifetime() + lifetime, _with_read(wanted) if wanted else None)
        scope = " ".join(sorted(wanted or self._switches.permissions))
        answer = {"access_token": token, "expires_in": lifetime, "token_type": "Bearer", "scope": scope}
        return Reply(200, answer, headers={"Cache-Control": "no-store"})

    def expire_tokens(self) -> None:
        """No token given out so far is good any more."""
        self._tokens.clear()

    def refusal(self, request: RequestRecord, permission: str | None) -> Reply | None:
        """The 401 or 403 that a request deserves; None: it may go on."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        expires, granted = self._tokens.get(token.strip(), (0.0, None))
        if scheme.lower() != "bearer" or expires <= self._clock.lifetime():
            reply = problem(401, "Unauthorized")
            reply.headers["WWW-Authenticate"] = "Bearer"
            return reply
        held = _with_read(frozenset(self._switches.permissions)) if granted is None else granted
        if permission is not None and permission not in held:
            return problem(403, "Forbidden", f"The app lacks the permission {permission}.")
        if self._switches.tenant_required and "tenantId" not in request.query:
            return problem(400, "Bad Request", "tenantId is required.")
        return None


def _with_read(permissions: frozenset[str]) -> frozenset[str]:
    """Full access includes reading."""
    return permissions | {name[:-4] + "read" for name in permissions if name.endswith("_full")}
