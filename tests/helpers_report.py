"""A project with photos, labels and what models found in the test photos: what a report needs."""

import numpy as np
import pandas as pd
from helpers_project import Project
from helpers_tables import labels
from PIL import Image

from utils.images.decoding import encode_jpeg
from utils.labels import tables
from utils.labels.tables import image_set, split_name

TAGGED = """
a/1.jpg bird 0.1 0.5 0.1 0.5
a/1.jpg seal 0.6 0.9 0.5 0.9
a/2.jpg seal 0.1 0.5 0.1 0.5
b/3.jpg NULL
b/4.jpg NULL
a/9.jpg bird 0 1 0 1
"""
TEST = ("a/1.jpg", "a/2.jpg", "b/3.jpg", "b/4.jpg")
# In a/1 the bird is found and the seal taken for a bird, in a/2 the seal is missed and a bird seen,
# in b/3 there is a false alarm, in b/4 nothing.
TESTED = """
a/1.jpg bird 0.1 0.5 0.1 0.5 0.9 0.2
a/1.jpg bird 0.6 0.9 0.5 0.9 0.7 0.2
a/1.jpg seal 0.6 0.9 0.5 0.9 0.2 0.2
a/2.jpg bird 0.6 0.9 0.6 0.9 0.6 0.6
b/3.jpg seal 0.1 0.3 0.1 0.3 0.6 0.6
b/4.jpg NULL 0 0 0 0 0 0
"""
TOTAG = """
a/5.jpg bird 0.1 0.5 0.2 0.8 0.9 0.9
b/6.jpg NULL 0 0 0 0 0 0
b/7.jpg NULL
"""


class ReportProject(Project):
    """A project with photos of 200 x 100 pixels."""

    def photos(self, blobs) -> None:
        """Put photos into the container, each of another colour, and list them."""
        for number, blob in enumerate(blobs):
            colour = (40 + 50 * number % 200, 90, 160 - 30 * number % 150)
            self.images.write(blob, encode_jpeg(np.full((100, 200, 3), colour, np.uint8)))
        self.commit(images=self.listed(*blobs))

    def fill(self) -> None:
        """Photos, five of them labelled, of which four are the test set, and one cycle."""
        tagged, totag = labels(TAGGED), labels(TOTAG, "totag")
        self.photos(sorted(image_set(tagged) | image_set(totag)))
        self.commit(tagged=tagged, totag=totag, test=tables.only(tagged, TEST))
        self.cycle(labels(TESTED, "tested"))

    def cycle(self, tested: pd.DataFrame | None, **members) -> str:
        """Append a cycle whose model found these boxes in test images; the model's blob."""
        labels_ = self.labels
        model = labels_.publish_file("model", ".pb", f"{len(self.state().cycles)}".encode())
        state = self.state()
        entry = {
            "id": model,
            "at": f"2026-11-{len(state.cycles) + 1:02}T10:00:00Z",
            "model": model,
            "tagged": state.blob("tagged"),
            "test": state.blob("test"),
            "images_labelled": len(image_set(labels_.table(state, "tagged"))),
            "boxes_labelled": int((labels_.table(state, "tagged")["class"] != "NULL").sum()),
            "metrics": {"Average": {"AP": 0.5}},
            **members,
        }
        if tested is not None:
            data = tables.to_csv("tested", tested, self.settings.user_folders)
            entry["tested"] = labels_.publish_file("tested", ".csv", data)
        self.commit({"live": {"model": model}}, cycle=entry)
        return model

    def renamed(self, frame: pd.DataFrame, images=None, classes=None) -> pd.DataFrame:
        """Rows with other names of images (blob names) and classes."""
        blobs = tables.blob_names(frame).map(lambda blob: (images or {}).get(blob, blob))
        folders, filenames = zip(*map(split_name, blobs), strict=True)
        names = frame["class"].map(lambda name: (classes or {}).get(name, name))
        return tables.concat(
            "tested" if "box_confidence" in frame else "tagged",
            frame.assign(
                folder=pd.Series(folders, index=frame.index, dtype="str"),
                filename=pd.Series(filenames, index=frame.index, dtype="str"),
                **{"class": names.astype("str")},
            ),
        )


def drawn_photo(width: int, height: int, boxes, seed: int) -> bytes:
    """A photo with noise and a disc in each box (xmin, ymin, xmax, ymax in fractions)."""
    random = np.random.default_rng(seed)
    coarse = random.integers(60, 190, (12, 16, 3), np.uint8)
    picture = np.asarray(
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    ).copy()
    rows, columns = np.mgrid[0:height, 0:width]
    for xmin, ymin, xmax, ymax in boxes:
        across, down = (xmax - xmin) * width / 2, (ymax - ymin) * height / 2
        x, y = (xmin + xmax) / 2 * width, (ymin + ymax) / 2 * height
        inside = ((columns - x) / max(across, 1)) ** 2 + ((rows - y) / max(down, 1)) ** 2 < 1
        picture[inside] = random.integers(0, 256, 3)
    return encode_jpeg(picture, 85)
