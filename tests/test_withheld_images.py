"""One image that the service holds back, or describes wrongly, is one image's matter."""

import gzip

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import ContentSettings
from helpers_batch import THREE, BatchProject, picture
from helpers_programs import run

from utils.config import load_config
from utils.storage.container import Blob
from utils.storage.sync import bring_images, list_images

pytestmark = pytest.mark.usefixtures("way_to_read")


def blob_client(container, name):
    return container._client.get_blob_client(name)


@pytest.fixture
def project(azurite_store, tmp_path):
    return BatchProject(azurite_store, tmp_path, THREE, image_dir=tmp_path / "here")


def test_an_image_in_the_archive_tier_is_left_out_by_the_listing_and_named(project, capsys):
    blob_client(project.images, "north/1.jpg").set_standard_blob_tier("Archive")
    begun = run("train/initialize.py", project.config)

    assert begun.returncode == 0, begun.stderr
    assert "'north/1.jpg': it is in the archive tier; rehydrate it" in begun.stderr
    assert (project.names("failed"), project.names("images")) == (
        [],
        ["south/1.jpg", "south/2.jpg"],
    )

    said = project.run("download", 3)
    assert "north/1.jpg: it is in the archive tier; rehydrate it" in said
    assert project.names("failed") == [] and len(project.batch["images"]) == 2

    blob_client(project.images, "north/1.jpg").set_standard_blob_tier("Hot")
    assert list_images(project.images, "*.jpg", True).refused == []


@pytest.mark.parametrize("form", ["plain", "packed"])
def test_bytes_are_read_as_they_are_stored_whatever_the_content_encoding_says(
    project, tmp_path, form
):
    data = picture() if form == "plain" else gzip.compress(picture())
    settings = ContentSettings(content_encoding="gzip")
    blob_client(project.images, "north/1.jpg").upload_blob(
        data, overwrite=True, content_settings=settings
    )

    assert project.images.read("north/1.jpg")[0] == data
    assert project.images.read_part("north/1.jpg", 0, 10) == data[:10]
    project.images.fetch("north/1.jpg", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == data
    begun = run("train/initialize.py", project.config)
    assert begun.returncode == 0, begun.stderr
    assert project.names("failed") == ([] if form == "plain" else ["north/1.jpg"])
    project.run("download", 3)


def test_an_image_under_a_lease_is_read_and_a_state_under_one_says_what_to_do(project):
    blob_client(project.images, "north/1.jpg").acquire_lease()
    begun = run("train/initialize.py", project.config)
    assert begun.returncode == 0 and len(project.names("images")) == 3

    blob_client(project.labels.container, "label_state.json").acquire_lease()
    said = project.run("download", 3, code=1)
    assert "label_state.json: another program holds a lease on it; break the lease" in said


class Encrypted:
    """A container of which one image is encrypted with a customer's key. Azurite knows no such
    keys; the service answers 409 BlobUsesCustomerSpecifiedEncryption.
    """

    def __init__(self, container):
        self._container, self.address = container, container.address

    def __getattr__(self, name):
        return getattr(self._container, name)

    def fetch(self, name, *arguments, **options) -> Blob:
        if name == "north/1.jpg":
            error = HttpResponseError("refused")
            error.status_code, error.error_code = 409, "BlobUsesCustomerSpecifiedEncryption"
            raise self._container._translated(error, name)
        return self._container.fetch(name, *arguments, **options)


def test_an_image_encrypted_with_a_customers_key_is_left_out_and_named(project, capsys):
    listing, _ = bring_images(Encrypted(project.images), load_config(project.config))
    assert [blob.name for blob in listing.blobs] == ["south/1.jpg", "south/2.jpg"]
    assert "a customer's key; upload it without that key" in capsys.readouterr().err
