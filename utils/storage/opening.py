"""The two containers that a configuration names."""

from pathlib import Path

from utils.errors import InputError
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
    images, labels = (
        _open_folder(config, key) for key in ("image_container_name", "label_container_name")
    )
    return images, labels


def _open_folder(config, key: str) -> FolderContainer:
    folder = Path(config.storage_url) / config.need(key)
    if not folder.is_dir():
        raise InputError(
            f"{config.path}: {key}={folder.name}: no such container; make the folder {folder}, or"
            " correct the key"
        )
    return FolderContainer(folder)
