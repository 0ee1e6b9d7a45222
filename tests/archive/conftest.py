from collections.abc import Iterator

import pytest

from tests.archive.seaweed import Server, server


@pytest.fixture(scope="package")
def s3() -> Iterator[Server]:
    with server() as running, pytest.MonkeyPatch.context() as environment:
        for name, value in running.environment.items():
            environment.setenv(name, value)
        yield running
