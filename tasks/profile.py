"""profile: what a drop's datasets look like, from the counts of the conversion's own pass."""

from prefect.artifacts import create_table_artifact

from tasks.convert import Raw
from tasks.run import current
from tasks.tracked import tracked


@tracked("profile {raw.drop}")
def profile(raw: Raw) -> None:
    """Write a table artifact: per dataset its rows, rejected records with reasons, and the columns that are empty.

    In a plan it is no step: it reads nothing but what `convert` has counted.
    """
    if current().dry is not None:
        return
    create_table_artifact(
        table=summary(raw),
        key=f"{current().source.slug}-raw",
        description=f"What arrived in drop {raw.drop}",
    )


def summary(raw: Raw) -> list[dict[str, str | int]]:
    """A row per dataset: counts only, no value of any column."""
    return [
        {
            "dataset": name,
            "rows": dataset.rows,
            "rejected": dataset.rejected,
            "why": ", ".join(f"{n} × {reason}" for reason, n in dataset.reasons.items()),
            "columns": len(dataset.nulls),
            "empty columns": sum(n == dataset.rows for n in dataset.nulls.values()) if dataset.rows else 0,
        }
        for name, dataset in raw.datasets.items()
    ]
