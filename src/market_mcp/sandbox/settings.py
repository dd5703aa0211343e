"""How the pretend markets behave where real ones differ from their documents; by default they keep to them."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """What can be switched while the markets are open.

    `strict` refuses a request that has a body field or a query parameter which its call does not take.
    `many` seeds so many items that the first page of every public list is full; it counts when a world is seeded.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    strict: bool = False
    many: bool = False

    def change(self, values: Mapping[str, object]) -> None:
        """Set what is named and leave the rest; raises ValidationError, and then changes nothing."""
        changed = type(self).model_validate({**dict(self), **values})
        for name in type(self).model_fields:
            setattr(self, name, getattr(changed, name))
