"""The lake's tables as they are when first looked at: for a plan, which asks for the same again and again."""

from collections.abc import Mapping

from pyiceberg.table import Table

from spark.tables import Mark, Tables


class Still(Tables):
    """Tables that are loaded once: what is committed later is not seen. Nothing is to be written by it."""

    def __init__(self, properties: Mapping[str, str], root: str) -> None:
        super().__init__(properties, root)
        self._loaded: dict[str, Table | None] = {}
        self._marks: dict[tuple[str, str], dict[str, Mark]] = {}

    def get(self, name: str) -> Table | None:
        """The table as it was when first asked for, or None."""
        if name not in self._loaded:
            self._loaded[name] = super().get(name)
        return self._loaded[name]

    def marks(self, name: str, kind: str) -> dict[str, Mark]:
        """All marks of one kind, by their key."""
        if (name, kind) not in self._marks:
            self._marks[name, kind] = super().marks(name, kind)
        return self._marks[name, kind]
