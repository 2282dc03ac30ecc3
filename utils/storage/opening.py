"""The two containers that a configuration names."""

from pathlib import Path

from utils.errors import InputError
from utils.files import within
from utils.storage.container import Container
from utils.storage.folder import FolderContainer


def open_containers(config) -> tuple[Container, Container]:
    """The image and the label container that the configuration names, both checked to be there.

    Raises InputError (one line) for an account not filled in, a wrong key, a container that does
    not exist; OutsideError for the network.
    """
    if not config.storage_url or config.storage_url.startswith(("http://", "https://")):
        # loads for a second; people with a folder do without
        from utils.storage.azure import (
            open_azure,
        )

        return open_azure(config)
    if config.image_location is None:
        images = _open_folder(config, "image_container_name")
    else:
        images = _open_images(config)
    labels = _open_folder(config, "label_container_name")
    for container in (images, labels):
        if within(config.data_dir, Path(container.address)):
            raise InputError(
                f"{config.path}: data_dir={config.data_dir} lies in the container"
                f" {container.address}; intermediate files need a folder of their own"
            )
    return images, labels


def _open_images(config) -> FolderContainer:
    """The folder in which a person's images lie, as a container. Nothing is ever written there."""
    folder = config.image_location
    if not folder.is_dir():
        raise InputError(
            f"{config.path}: image_location={folder}: there is no such folder; if the images were"
            " moved, say where they are now"
        )
    labels = Path(config.storage_url) / config.label_container_name
    if within(labels, folder) or within(folder, labels):
        raise InputError(
            f"{config.path}: image_location={folder} and"
            f" label_container_name={config.label_container_name} lie in one another; images need a"
            " folder of their own"
        )
    return FolderContainer(folder)


def _open_folder(config, key: str) -> FolderContainer:
    folder = Path(config.storage_url) / config.need(key)
    if not folder.is_dir():
        raise InputError(
            f"{config.path}: {key}={folder.name}: no such container; make the folder {folder}, or"
            " correct the key"
        )
    return FolderContainer(folder)
