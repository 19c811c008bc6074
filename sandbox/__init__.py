"""A faithful fake of the Customer's Canvas API over real HTTP, for tests and for trying the connector."""

from sandbox.artifacts import Missing
from sandbox.faults import Fault
from sandbox.messages import RequestRecord
from sandbox.processing import Conflict
from sandbox.rows import FileSpec
from sandbox.server import Sandbox
from sandbox.shop import Refused, Shop
from sandbox.switches import Switches

__all__ = ["Conflict", "Fault", "FileSpec", "Missing", "Refused", "RequestRecord", "Sandbox", "Shop", "Switches"]
