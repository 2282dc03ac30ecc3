"""The stores that tests run on: a folder, or two containers in Azurite."""

from dataclasses import dataclass
from pathlib import Path

from utils.config import load_config
from utils.storage.container import Container
from utils.storage.folder import FolderContainer
from utils.storage.opening import open_containers


@dataclass(frozen=True)
class Store:
    """An image and a label container, empty, and the lines of a config file that name them."""

    kind: str  # "folder" or "azurite"
    images: Container
    labels: Container
    settings: str

    def config_text(self, **settings) -> str:
        """A whole config file for this store; keyword arguments are further keys."""
        chosen = {
            "user_folders": "True",
            "classes": "bird,seal",
            "filetype": "*.jpg",
            "tagging_location": "Tag",
            **settings,
        }
        return self.settings + "".join(f"{key}={value}\n" for key, value in chosen.items())


def folder_store_in(folder: Path) -> Store:
    """A new folder store in `folder`, its containers empty."""
    for name in ("images", "labels"):
        (folder / "store" / name).mkdir(parents=True)
    return opened(
        "folder",
        f"storage_url={folder / 'store'}\nimage_container_name=images\n"
        "label_container_name=labels\n",
        folder,
    )


def opened(kind: str, settings: str, folder: Path) -> Store:
    """The containers that these lines of a config name."""
    file = folder / "store.ini"
    file.write_text(
        settings + "classes=bird\nuser_folders=True\nfiletype=*.jpg\n", encoding="utf-8"
    )
    images, labels = open_containers(load_config(file))
    return Store(kind, images, labels, settings)


class Far(FolderContainer):
    """A folder store as if it were far away: its blobs are no files of this machine. Counts what
    is read of it.
    """

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.bytes = 0
        self.requests: list[str] = []

    def path_of(self, name: str) -> None:
        return None

    def read(self, name: str, listed=None):
        data, blob = super().read(name)
        self._count(name, data)
        return data, blob

    def read_part(self, name: str, start: int, length: int, listed=None) -> bytes:
        data = super().read_part(name, start, length, listed)
        self._count(name, data)
        return data

    def _count(self, name: str, data: bytes) -> None:
        self.bytes += len(data)
        self.requests.append(name)
