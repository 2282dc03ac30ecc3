"""A label container with a few images, and the programs that look after it."""

from pathlib import Path

import numpy as np
from helpers_project import Project
from helpers_tables import labels

from utils.images.decoding import encode_jpeg
from utils.labels import tables
from utils.labels.store import LabelStore
from utils.labels.tables import blob_names
from utils.storage.folder import FolderContainer

ROOT = Path(__file__).resolve().parent.parent

TOTAG = """
a/1.jpg bird 0.1 0.5 0.2 0.8 0.9 0.7
a/1.jpg seal 0.6 0.9 0.2 0.8 0.7 0.7
a/2.jpg NULL 0 0 0 0 0 0
b/1.jpg NULL
"""
TAGGING = (
    "c/1.jpg bird 0.1 0.2 0.1 0.2 0.6 0.6 anna 2026-01-01T00:00:00Z\nc/2.jpg NULL 0 0 0 0 0 0 bob"
    " 2999-01-01T00:00:00Z"
)
TAGGED = (
    "d/1.jpg bird 0.1 0.5 0.1 0.5\nd/1.jpg seal 0.5 0.9 0.1 0.5\nd/2.jpg NULL\nd/3.jpg seal 0 1 0 1"
)
ALL = ("a/1.jpg", "a/2.jpg", "b/1.jpg", "c/1.jpg", "c/2.jpg", "d/1.jpg", "d/2.jpg", "d/3.jpg")


class StateProject(Project):
    """A project of eight images of 200 x 100 pixels: three to tag, two out, three tagged, one of
    them in the test set.
    """

    def __init__(self, store, folder: Path, **settings):
        super().__init__(store, folder, **settings)
        for blob in ALL:
            self.images.write(blob, encode_jpeg(np.full((100, 200, 3), 128, np.uint8)))
        self.commit(
            images=self.listed(*ALL),
            totag=labels(TOTAG, "totag"),
            tagging=labels(TAGGING, "tagging"),
            tagged=labels(TAGGED),
            test=labels("d/3.jpg seal 0 1 0 1", "test"),
        )

    def rows(self, name="tagged") -> list[str]:
        """`image class xmin xmax ymin ymax` and the confidences, where there are some, in the order
        of the table.
        """
        frame = self.table(name)
        columns = [
            column
            for column in (
                "class",
                "xmin",
                "xmax",
                "ymin",
                "ymax",
                "box_confidence",
                "image_confidence",
            )
            if column in frame
        ]
        return [
            " ".join(
                [
                    image,
                    *(f"{value:g}" if isinstance(value, float) else str(value) for value in row),
                ]
            )
            for image, row in zip(
                blob_names(frame), frame[columns].itertuples(index=False), strict=True
            )
        ]

    def csv(self, path: Path, text: str, table="tagged") -> Path:
        path.write_bytes(tables.to_csv(table, labels(text, table), True))
        return path


def store_in(folder: Path, by="ann", **options) -> LabelStore:
    folder.mkdir(exist_ok=True)
    return LabelStore(FolderContainer(folder), by=by, user_folders=True, **options)
