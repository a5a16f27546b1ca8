"""Generated codecs for the models in `models/`."""

import pytest

from support.codecs import MODELS, Codec


@pytest.fixture(scope="session", params=["everything", "feed", "plain", "quotes", "corners"])
def codec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Codec:
    """The generated codec of each model."""
    return Codec(MODELS / f"{request.param}.xml", tmp_path_factory.mktemp("codec"))


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Codec:
    """The generated codec of the model with every construct."""
    return Codec(MODELS / "everything.xml", tmp_path_factory.mktemp("everything"))


@pytest.fixture(scope="session")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Codec:
    """The generated codec of the model for pubsub."""
    return Codec(MODELS / "feed.xml", tmp_path_factory.mktemp("feed"))
