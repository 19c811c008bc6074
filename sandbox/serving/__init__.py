"""The shop over HTTP: listeners, the API's operations, the identity server, the CDN, and misbehaviour on command."""
