"""A project of an annotator: a store with images and predictions, a config, VoTT files."""

import io
import json
from pathlib import Path

import numpy as np
from helpers_project import Project
from helpers_tables import labels
from PIL import Image

from utils.labels.tables import blob_names, image_set, split_name

TAG = Path(__file__).resolve().parent.parent / "tag"
ORANGE, BLUE = (255, 128, 0), (0, 0, 255)


def picture(width=200, height=100, form="JPEG", orientation=1, mode="RGB") -> bytes:
    """An image that is orange at the left and blue at the right, as its pixels are stored."""
    pixels = np.full((height, width, 3), BLUE, np.uint8)
    pixels[:, : width // 2] = ORANGE
    image = Image.fromarray(pixels).convert(mode)
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    image.save(buffer, form, **({"exif": exif} if orientation != 1 else {}))
    return buffer.getvalue()


class BatchProject(Project):
    """A project of an annotator: a store with images and predictions."""

    def __init__(self, store, folder: Path, totag: str, **settings):
        super().__init__(store, folder, **{"classes": "bird,seal", **settings})
        self.seed(labels(totag, "totag"))

    def seed(self, totag, **others):
        """Put images of 200 x 100 pixels in the container and their predictions in the state."""
        for blob in image_set(totag):
            self.images.write(blob, picture())
        self.commit(totag=totag, **others)
        return self

    def run(self, program: str, *arguments, **options) -> str:
        """Run download or upload, as Project.run does."""
        return super().run(f"tag/{program}_vott_json.py", *arguments, **options)

    def boxes(self, table="tagged") -> list[str]:
        """`image class xmin xmax ymin ymax`, coordinates to the third decimal."""
        frame = self.table(table)
        sides = frame[["xmin", "xmax", "ymin", "ymax"]].round(3)
        return sorted(
            f"{blob} {name} {' '.join(f'{value:g}' for value in row)}"
            for blob, name, row in zip(
                blob_names(frame), frame["class"], sides.to_numpy(), strict=True
            )
        )

    @property
    def batch(self) -> dict:
        return json.loads((self.place / "batch.json").read_text(encoding="utf-8"))

    def local(self, blob) -> str:
        """The local name of an image."""
        return next(
            name.rpartition("/")[2]
            for name, item in self.batch["images"].items()
            if (item["folder"], item["filename"]) == split_name(blob)
        )

    def vott(self, name="Images") -> dict:
        return json.loads((self.place / f"{name}.json").read_text(encoding="utf-8"))

    def save(self, frames=None, visited=(), name="Images"):
        """Save as VoTT does: `frames` replaces regions by image (blob name), `visited` are images
        stepped past.
        """
        project = self.vott(name)
        project["frames"].update(
            {self.local(blob): regions for blob, regions in (frames or {}).items()}
        )
        project["visitedFrames"] = [self.local(blob) for blob in visited]
        (self.place / f"{name}.json").write_text(json.dumps(project), encoding="utf-8")

    @staticmethod
    def last(output) -> str:
        return output.strip().splitlines()[-1]


def region(tag, x1, x2, y1, y2, width=200, height=100, **members):
    """A VoTT region, in pixels."""
    return {
        "x1": x1,
        "x2": x2,
        "y1": y1,
        "y2": y2,
        "width": width,
        "height": height,
        "tags": [tag],
        "type": "Rectangle",
        **members,
    }


THREE = """
north/1.jpg bird 0.1 0.5 0.2 0.8 0.9 0.9
south/1.jpg NULL 0 0 0 0 0 0
south/2.jpg NULL
"""
