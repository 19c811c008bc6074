"""A faithful fake of the Customer's Canvas API over real HTTP, for tests and for trying the connector."""

from sandbox.server import Sandbox
from sandbox.serving.faults import Fault
from sandbox.serving.limiter import Limiter
from sandbox.serving.messages import RequestRecord
from sandbox.serving.outages import Outage
from sandbox.shop import Conflict, FileSpec, Missing, NoDocument, NoRun, PipelineSpec, Refused, Shop
from sandbox.switches import Switches

__all__ = [
    "Conflict",
    "Fault",
    "FileSpec",
    "Limiter",
    "Missing",
    "NoDocument",
    "NoRun",
    "Outage",
    "PipelineSpec",
    "Refused",
    "RequestRecord",
    "Sandbox",
    "Shop",
    "Switches",
]
