"""What is listed together: a storefront, or one order of it."""

from dataclasses import dataclass

from source_customerscanvas.api.projects import Project
from source_customerscanvas.settings import Shard


@dataclass(frozen=True)
class Slice:
    """A storefront, or one order of it; of these projects, those of one shard where a shard is set."""

    storefront_id: int
    order_id: str | None = None
    shard: Shard | None = None

    @property
    def key(self) -> str:
        """Its name in the state."""
        return str(self.storefront_id) if self.order_id is None else f"{self.storefront_id}/{self.order_id}"

    def describe(self) -> str:
        return f"storefront {self.storefront_id}" + (f", order {self.order_id}" if self.order_id is not None else "")

    @property
    def params(self) -> dict[str, str | int]:
        """What a list of the API is asked for to show its projects only."""
        params: dict[str, str | int] = {"storefrontId": self.storefront_id}
        return params if self.order_id is None else {**params, "orderId": self.order_id}

    def in_shard(self, project: Project) -> bool:
        return self.shard is None or self.shard.has(self.storefront_id, project.order_id, project.id)

    def has_order(self, order_id: str) -> bool:
        """Whether an order of the storefront belongs to the shard."""
        return self.shard is None or self.shard.has(self.storefront_id, order_id, 0)

    def has(self, project: Project) -> bool:
        """Whether a project that was asked for singly (still) belongs here."""
        same_storefront = project.storefront_id in (None, self.storefront_id, str(self.storefront_id))
        return same_storefront and self.order_id in (None, project.order_id) and self.in_shard(project)


def is_part(key: str, project: Project) -> bool:
    """Whether a project belongs to a slice, by its name in the state."""
    storefront_id, _, order_id = key.partition("/")
    return storefront_id == str(project.storefront_id) and order_id in ("", project.order_id)


def is_order(key: str) -> bool:
    """Whether a slice is one order of a storefront, by its name in the state."""
    return "/" in key
