"""What tests of several subjects need: the repository on sys.path, shared material, both kinds of
store.
"""

import os
import signal
import uuid
from pathlib import Path

import azurite
import helpers_page
import hypothesis
import pytest
from helpers_order import processes, shared_out
from helpers_store import Store, folder_store_in, opened

pytest_plugins = ["helpers_seconds"]
ROOT = Path(__file__).resolve().parent.parent


# Started in the background, a shell makes us ignore Ctrl-C, and nohup a terminal that closes; so
# would the programs that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Machines are noisy: no test fails because it was slow to get an input.
hypothesis.settings.register_profile(
    "noisy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("noisy")

for variable in [name for name in os.environ if name.startswith("AZURE_")]:
    del os.environ[variable]  # no test may reach a real account


def pytest_collection_modifyitems(items):
    """The longest tests come first: at the end no core is left alone with them."""
    names = [getattr(item, "originalname", item.name) for item in items]
    items[:] = shared_out(items, names, processes())


@pytest.fixture(scope="session", autouse=True)
def own_data_folder(tmp_path_factory):
    """What programs keep for their user lies apart from what the real one has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data_home")))
        yield


@pytest.fixture
def shared() -> Path:
    """Real photographs, models and files of the earlier generation, where they lie beside the
    repository.
    """
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the folder ../shared with real photographs and files")
    return folder


@pytest.fixture(scope="module")
def browser():
    """A real browser. Its driver keeps an event loop, so it ends with the file that uses it."""
    if not helpers_page.installed():
        pytest.skip(helpers_page.WHY_NOT)
    with helpers_page.chromium() as running:
        yield running


@pytest.fixture(scope="session")
def azurite_url():
    """The address of the account in a running Azurite."""
    with azurite.running() as url:
        yield url


@pytest.fixture
def folder_store(tmp_path) -> Store:
    """A new folder store."""
    return folder_store_in(tmp_path)


@pytest.fixture
def azurite_store(azurite_url, tmp_path) -> Store:
    """Two new containers in Azurite."""
    from azure.storage.blob import BlobServiceClient

    number = uuid.uuid4().hex
    with BlobServiceClient(azurite_url, credential=azurite.KEY) as service:
        for name in (f"images-{number}", f"labels-{number}"):
            service.create_container(name)
    return opened(
        "azurite",
        f"storage_url={azurite_url}\nAZURE_STORAGE_ACCOUNT={azurite.ACCOUNT}\nAZURE_STORAGE_KEY={azurite.KEY}\n"
        f"image_container_name=images-{number}\nlabel_container_name=labels-{number}\n",
        tmp_path,
    )


@pytest.fixture(params=["folder", "azurite"])
def store(request) -> Store:
    """Each kind of store in turn: a test that uses this is part of the contract of both."""
    return request.getfixturevalue(f"{request.param}_store")


@pytest.fixture(params=["obstore", "the package of Azure"])
def way_to_read(request, monkeypatch) -> str:
    """Each way in which photos are read from Azure in turn."""
    if request.param != "obstore":
        monkeypatch.setattr("utils.storage.bulk._open", lambda *_: (None, ""))
    return request.param
