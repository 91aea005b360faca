"""The engine's own fixture: Spark."""

from collections.abc import Iterator

import pytest
from hypothesis import settings
from pyspark.sql import SparkSession

from spark.session import session

settings.register_profile("spark", deadline=None)  # a busy machine is no failure
settings.load_profile("spark")


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Spark in this process, on two cores. Nobody stops it: other tests have the same session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_DIRS", str(tmp_path_factory.mktemp("spark")))
        patch.setenv("INLET_SPARK_MASTER", "local[2]")
        yield session()
