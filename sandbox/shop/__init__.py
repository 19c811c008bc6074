"""The model: storefronts, projects, their pipeline runs and artifacts, as they change in time. No HTTP here."""

from sandbox.shop.artifacts import Missing
from sandbox.shop.orders import NoDocument
from sandbox.shop.processing import Conflict
from sandbox.shop.rows import FileSpec, PipelineSpec
from sandbox.shop.shop import Shop
from sandbox.shop.tenant import NoRun, Refused

__all__ = ["Conflict", "FileSpec", "Missing", "NoDocument", "NoRun", "PipelineSpec", "Refused", "Shop"]
