"""A folder store with photographs of coloured rectangles, and a model that finds them."""

import json
from datetime import UTC, datetime
from pathlib import Path

import create_predictions
import evaluate_model
import initialize
import numpy as np
import publish_cycle
import repartition_test_set
import sync_images
from helpers_colour_graph import write_frozen_graph
from helpers_project import Project
from helpers_store import folder_store_in
from PIL import Image

from utils.files import md5_of
from utils.labels import tables
from utils.labels.assignments import reserve
from utils.labels.label_map import write_label_map
from utils.labels.pool import pool_of
from utils.labels.tables import image_set, without

RED, GREEN = (230, 20, 20), (20, 220, 20)
NOW = datetime.now(UTC)


class CycleProject(Project):
    """A folder store with photographs of red and green rectangles, its config, and a model that
    finds them.
    """

    embedding = False  # of the model: the mean colour of an image

    def __init__(self, folder: Path, **settings):
        chosen = {
            "classes": "red thing,green thing",
            "filetype": "*.png",
            "min_confidence": 0.5,
            "test_percentage": 0.5,
            "tagging_location": folder / "tag",
            "tagger_name": "ann",
            "split_by": "image",
            **settings,
        }
        super().__init__(folder_store_in(folder), folder, **chosen)

    def photo(self, blob, colour=None):
        """A photo of 64 x 48 pixels, with a rectangle in its right half if a colour is given."""
        picture = np.full((48, 64, 3), 128, np.uint8)
        if colour:
            picture[12:36, 32:64] = colour
        path = self.folder / "store" / "images" / blob
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)

    def tag(self, *boxes):
        """Commit reviewed images, (blob name, class or NULL) each, with the box where the rectangle
        is in the picture that is there now.
        """
        rows = [
            tables.make(
                "tagged",
                filename=[name.rpartition("/")[2]],
                folder=name.rpartition("/")[0],
                class_=class_name,
                height=48,
                width=64,
                xmin=0.5 * drawn,
                xmax=1.0 * drawn,
                ymin=0.25 * drawn,
                ymax=0.75 * drawn,
            )
            for name, class_name in boxes
            for drawn in [class_name != "NULL"]
        ]
        new = tables.concat("tagged", *rows)
        others = without(self.table("tagged"), image_set(new))
        self.commit(tagged=tables.concat("tagged", others, new), images=self._as_they_are(new))

    def _as_they_are(self, reviewed):
        """The table of images with the present content of these."""
        known, names = self.table("images"), image_set(reviewed)
        rows = tables.only(known, names)
        blobs = [self.images.info(blob) for blob in tables.blob_names(rows)]
        rows = rows.assign(
            etag=[blob.etag for blob in blobs],
            bytes=[blob.size for blob in blobs],
            md5=[md5_of(self.images.path_of(blob.name)) for blob in blobs],
            listed="",
        )
        return tables.concat("images", without(known, names), rows)

    def reserve(self, blob):
        pool = pool_of(self.labels, self.state())
        self.commit(tagging=reserve(self.table("tagging"), pool, [blob], "bob", NOW))

    def train(self):
        """What steps 1 to 5 leave behind, with the colour graph for a trained model."""
        sync_images.main([str(self.config)])
        repartition_test_set.main(["--top-up", str(self.config)])
        settings = self.settings
        write_frozen_graph(
            settings.inference_output_dir / "frozen_inference_graph.pb",
            canvas=(64, 64),
            embedding=self.embedding,
        )
        write_label_map(
            settings.inference_output_dir / "label_map.pbtxt", {"red thing": 1, "green thing": 2}
        )
        settings.train_dir.mkdir(parents=True, exist_ok=True)
        (settings.train_dir / "training.json").write_text(
            json.dumps({"weights": "scratch", "steps": 7})
        )

    def fill(self):
        """Nine photos, four of them reviewed and two of these the test set, and a trained model."""
        for number in range(4):
            self.photo(f"a/{number}.png", RED)
            self.photo(f"b/{number}.png")
        self.photo("b/9.png", GREEN)
        initialize.main([str(self.config)])
        self.tag(
            ("a/0.png", "red thing"),
            ("a/1.png", "red thing"),
            ("b/0.png", "NULL"),
            ("b/1.png", "NULL"),
        )
        self.train()

    def predict(self):
        create_predictions.main([str(self.config)])
        evaluate_model.main([str(self.config)])

    def publish(self):
        publish_cycle.main(["--anyway", str(self.config)])

    def blobs(self, kind):
        return [path.name for path in sorted((self.folder / "store" / "labels").glob(f"{kind}_*"))]
