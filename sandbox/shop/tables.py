"""The tenant's fixed tables: business statuses, transitions between them, and pipeline definitions."""

from __future__ import annotations

from typing import Any

TENANT_ID = 7001

TENANT: dict[str, Any] = {"tenantId": TENANT_ID, "tenancyName": "sandbox-prints", "isActive": True}

NEW, ON_HOLD, PROCESSING, COMPLETE, CANCELLED = 1, 2, 3, 4, 5

STATUSES: tuple[dict[str, Any], ...] = (
    {"id": 101, "code": NEW, "color": "#90A4AE", "displayName": "New"},
    {"id": 102, "code": ON_HOLD, "color": "#FFA726", "displayName": "On hold"},
    {"id": 103, "code": PROCESSING, "color": "#42A5F5", "displayName": "Processing"},
    {"id": 104, "code": COMPLETE, "color": "#2E7D32", "displayName": "Complete"},
    {"id": 105, "code": CANCELLED, "color": "#E53935", "displayName": "Cancelled"},
)

TRANSITIONS: tuple[dict[str, Any], ...] = (
    {"id": 201, "name": "start-production", "displayName": "Start production", "startStatus": 1, "resultStatus": 3},
    {"id": 202, "name": "finish-production", "displayName": "Finish production", "startStatus": 3, "resultStatus": 4},
    {"id": 203, "name": "hold", "displayName": "Put on hold", "startStatus": 1, "resultStatus": 2},
    {"id": 204, "name": "cancel", "displayName": "Cancel", "startStatus": 1, "resultStatus": 5},
    {"id": 205, "name": "release", "displayName": "Release", "startStatus": 2, "resultStatus": 3},
)

PIPELINES: tuple[dict[str, Any], ...] = (
    {
        "id": 301,
        "name": "Print-ready PDF with preview",
        "rawContent": "name: print-ready\ntasks:\n  - render: {format: pdf, dpi: 300}\n  - preview: {format: png}\n",
    },
    {
        "id": 302,
        "name": "Job ticket",
        "rawContent": "name: job-ticket\ntasks:\n  - collect: {fields: all}\n  - write: {format: json}\n",
    },
)


def status_of(code: int) -> dict[str, Any] | None:
    return next((status for status in STATUSES if status["code"] == code), None)


def open_transitions(code: int | None) -> list[dict[str, Any]]:
    return [transition for transition in TRANSITIONS if transition["startStatus"] == code]
