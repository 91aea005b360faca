"""What a bucket does by itself with what is staged: plaintext of parties' files, which no run may leave for long.

A run removes what it staged when it ends, and the next one what a killed one left; but where a bucket keeps versions,
what is removed is kept, and where no run comes, so is what was left.
"""

from typing import Any

from blocks.lake import Lake, address, code_of, sayings

DAYS = 7
"""After which what is staged is nobody's: a run takes hours."""

_NONE = "NoSuchLifecycleConfiguration"


def rule(lake: Lake) -> dict[str, Any]:
    """The rule for `<root>/staged/`, as S3's API names things: objects, old versions and open uploads go."""
    prefix = _prefix(lake)
    return {
        "ID": f"inlet {prefix}"[:255],
        "Status": "Enabled",
        "Filter": {"Prefix": prefix},
        "Expiration": {"Days": DAYS},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": DAYS},
    }


def missing(lake: Lake) -> bool:
    """Whether no rule, ours or another of the bucket's, takes what is staged with its versions; False for a folder.

    Raises `AccessDenied` where the lake's credentials may not see the rules, and what else `Lake.ask` leads to.
    """
    return lake.on_s3 and not any(_takes(found, _prefix(lake)) for found in _rules(lake))


def put(lake: Lake) -> None:
    """Add the rule to the bucket's, in place of an older one of ours; raises as `missing` does."""
    ours = rule(lake)
    others = [found for found in _rules(lake) if found.get("ID") != ours["ID"]]
    with sayings(lake.root):
        lake.ask(
            "put_bucket_lifecycle_configuration",
            Bucket=address(lake.path())["Bucket"],
            LifecycleConfiguration={"Rules": [*others, ours]},
        )


def _rules(lake: Lake) -> list[dict[str, Any]]:
    with sayings(lake.root):
        try:
            found = lake.ask("get_bucket_lifecycle_configuration", Bucket=address(lake.path())["Bucket"])
        except OSError as error:
            if code_of(error) == _NONE:
                return []
            raise
    rules: list[dict[str, Any]] = found.get("Rules", [])
    return rules


def _takes(found: dict[str, Any], prefix: str) -> bool:
    """Whether a rule takes all at a prefix; one with a condition beside it does not."""
    of = found.get("Filter", {}).get("Prefix", found.get("Prefix"))
    return (
        found.get("Status") == "Enabled"
        and of is not None
        and prefix.startswith(of)
        and "Days" in found.get("Expiration", {})
        and "NoncurrentDays" in found.get("NoncurrentVersionExpiration", {})
        and "DaysAfterInitiation" in found.get("AbortIncompleteMultipartUpload", {})
    )


def _prefix(lake: Lake) -> str:
    return f"{address(lake.path('staged'))['Key']}/"
