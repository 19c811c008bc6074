"""The tenant's fixed tables: business statuses, transitions between them, and pipeline definitions."""

from __future__ import annotations

from typing import Any

TENANT_ID = 7001

TENANT: dict[str, Any] = {"tenantId": TENANT_ID, "tenancyName": "sandbox-prints", "isActive": True}

STATUSES: tuple[dict[str, Any], ...] = (
    {"id": 101, "code": 1, "color": "#90A4AE", "displayName": "New"},
    {"id": 102, "code": 2, "color": "#42A5F5", "displayName": "In production"},
    {"id": 103, "code": 3, "color": "#66BB6A", "displayName": "Ready to ship"},
    {"id": 104, "code": 4, "color": "#2E7D32", "displayName": "Shipped"},
    {"id": 105, "code": 5, "color": "#E53935", "displayName": "Cancelled"},
)

TRANSITIONS: tuple[dict[str, Any], ...] = (
    {"id": 201, "name": "start-production", "displayName": "Start production", "startStatus": 1, "resultStatus": 2},
    {"id": 202, "name": "finish-production", "displayName": "Finish production", "startStatus": 2, "resultStatus": 3},
    {"id": 203, "name": "ship", "displayName": "Ship", "startStatus": 3, "resultStatus": 4},
    {"id": 204, "name": "cancel", "displayName": "Cancel", "startStatus": 1, "resultStatus": 5},
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
