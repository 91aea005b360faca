"""The rule by which a real S3 server takes what is staged; that it carries it out is a matter of days."""

from typing import Any

import pytest

from blocks import lifecycle
from blocks.errors import NotThere
from blocks.lake import Lake, address

OTHERS = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 3}}


def rules(lake: Lake) -> list[dict[str, Any]]:
    bucket = address(lake.path())["Bucket"]
    found: list[dict[str, Any]] = lake.client().get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    return found


def write(lake: Lake, *given: dict[str, Any]) -> None:
    lake.client().put_bucket_lifecycle_configuration(
        Bucket=address(lake.path())["Bucket"], LifecycleConfiguration={"Rules": list(given)}
    )


def test_the_rule_is_put_once_and_leaves_others_alone(s3_lake: Lake) -> None:
    assert lifecycle.missing(s3_lake)
    write(s3_lake, OTHERS)
    assert lifecycle.missing(s3_lake)
    for _ in range(2):
        lifecycle.put(s3_lake)
        assert not lifecycle.missing(s3_lake)
        by_id = {rule["ID"]: rule for rule in rules(s3_lake)}
        assert by_id == {"theirs": OTHERS, "inlet lake/staged/": lifecycle.rule(s3_lake)}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"ID": "theirs", "Filter": {"Prefix": "lake/"}}, False),
        ({"Filter": {"Prefix": ""}}, False),
        ({"Filter": {"Prefix": "lake/staged/party/"}}, True),
        ({"Status": "Disabled"}, True),
        ({"NoncurrentVersionExpiration": None}, True),
        ({"AbortIncompleteMultipartUpload": None}, True),
    ],
)
def test_whose_rule_it_is_does_not_matter(s3_lake: Lake, change: dict[str, Any], expected: bool) -> None:
    write(s3_lake, {name: value for name, value in (lifecycle.rule(s3_lake) | change).items() if value is not None})
    assert lifecycle.missing(s3_lake) == expected


def test_a_folder_wants_none(local_lake: Lake) -> None:
    assert not lifecycle.missing(local_lake)


def test_a_bucket_that_is_not_there(s3_lake: Lake) -> None:
    with pytest.raises(NotThere):
        lifecycle.missing(s3_lake.model_copy(update={"root": "s3://no-such-bucket/lake"}))
