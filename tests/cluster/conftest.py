"""The cluster of a session, and what a session on the project's own has not proved."""

import os
import warnings
from collections.abc import Iterator

import pytest

from tests.cluster import cluster as clusters
from tests.cluster import site as sites

SAID = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config) -> Iterator[clusters.Cluster]:
    """A Kubernetes; see `clusters.Cluster`."""
    with clusters.cluster() as found:
        if found.own:
            said = f"not proved here: {clusters.NOT_PROVED} (the project's own cluster; name a real one in KUBECONFIG)"
            pytestconfig.stash[SAID] = said
            if "PYTEST_XDIST_WORKER" in os.environ:  # a worker has no summary: what it warns of stands in the session's
                warnings.warn(said, stacklevel=1)
        yield found


@pytest.fixture(scope="session")
def inlet_image(cluster: clusters.Cluster) -> str:
    """The project's image, as pods name it."""
    return cluster.load_image("localhost/inlet:test", clusters.ROOT / "deployments" / "Dockerfile")


@pytest.fixture(scope="session")
def bare_image(cluster: clusters.Cluster) -> str:
    """Debian with Python and nothing else, as pods name it."""
    return cluster.load_image("localhost/bare:test", clusters.SCRIPTS / "bare.Dockerfile", clusters.SCRIPTS)


@pytest.fixture(scope="session")
def site(cluster: clusters.Cluster, inlet_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sites.Site]:
    """inlet on the cluster, with what is outside of it; see `sites.Site`."""
    outside = clusters.HERE / "outside"
    image = cluster.load_image(
        "localhost/inlet-outside:test",
        outside / "Dockerfile",
        outside,
        given="INLET_CLUSTER_OUTSIDE_IMAGE",
    )
    with sites.site(cluster, inlet_image, image, tmp_path_factory.mktemp("site")) as found:
        yield found


@pytest.fixture
def namespace(cluster: clusters.Cluster) -> Iterator[clusters.Cluster]:
    """The cluster in a namespace of the test's own."""
    with cluster.fresh() as there:
        yield there


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if said := config.stash.get(SAID, None):
        terminalreporter.section("cluster")
        terminalreporter.line(said)
