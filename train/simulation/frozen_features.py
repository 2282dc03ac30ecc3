"""Training on the features of a frozen backbone: they are calculated once for every image and its
mirror image, kept on disk, and all labelled sets train what follows the backbone, in one process,
with one graph.

It is the same network, loss and optimizer as in training.py. Different are: no augmentation but the
mirror, features kept with 16 bits, half as many regions looked at in a training step and a third
when predicting, the new layers begin with the same random weights for every seed, and no
checkpoints.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf
import tf_keras
from official.vision.ops import anchor

from train.network import pretrained_weights
from train.network.detector import (
    Settings,
    build_model,
    image_embedding,
    make_task,
    model_config,
    normalise,
    without_conversion,
)
from train.network.input import repeat_factors, target_parser, with_repeats
from train.network.labelled_images import count
from train.network.schedule import default_learning_rate, make_optimizer
from train.prediction.pipeline import compared, predict
from train.simulation.outcomes import DataSet, Recipe
from utils.boxes.detections import EMBEDDING, Detections, from_tensorflow_batch
from utils.errors import OutsideError
from utils.files import write_text
from utils.images.canvas import fit
from utils.labels.tables import blob_names
from utils.progress import progress_bar
from utils.reserved import NULL

_BATCH = 8
_POLICY = "float32"


class _Given(tf_keras.layers.Layer):
    """Stands where the backbone stood: its input are the backbone's outputs."""

    def call(self, inputs):
        return inputs


class _Extractor:
    """The backbone in the place of a detector, for prediction.predict: what it "detects" are the
    features of an image and its mirror image.

    detect gives per image a pair of {level: (2, h, w, c) float16} and the embedding (d,) float16.
    """

    def __init__(self, backbone, settings: Settings, wanted: set[str]):
        self.canvas, self.inner_size = settings.canvas, None

        @tf.function(
            input_signature=[tf.TensorSpec([None, *settings.canvas, 3], tf.uint8)], autograph=False
        )
        def features(images):
            both = tf.concat([images, tf.reverse(images, [2])], 0)
            outputs = backbone(normalise(tf.cast(both, tf.float32)), training=False)
            embedding = image_embedding(outputs)
            return {level: tf.cast(outputs[level], tf.float16) for level in wanted}, tf.cast(
                embedding, tf.float16
            )

        self._features = features

    def detect(self, images: np.ndarray, shown: Sequence[tuple[int, int]]) -> list:
        outputs, embedding = self._features(images)
        levels = {
            level: values.numpy().reshape(2, len(images), *values.shape[1:]).swapaxes(0, 1)
            for level, values in outputs.items()
        }
        return [
            ({level: values[place] for level, values in levels.items()}, embedding[place].numpy())
            for place in range(len(images))
        ]


class FrozenFeatures:
    """The features of all images of a data set, below `folder`, as the input of a detector.

    levels: per level of the backbone (n, 2, h, w, c) float16, the second axis being the image and
    its mirror image; embeddings (n, d) float16. Images are in the order of data.names.
    """

    def __init__(
        self,
        data: DataSet,
        settings: Settings,
        recipe: Recipe,
        start: pretrained_weights.Start,
        folder: Path,
    ):
        self.names, self.settings = data.names, settings
        tf_keras.mixed_precision.set_global_policy(_POLICY)
        tf_keras.utils.set_random_seed(0)
        self.task = make_task(settings, _with_fewer_regions(model_config(settings)))
        self.model = build_model(self.task)
        self.started_from = pretrained_weights.load(self.model, start)
        backbone = self.model.backbone
        used = range(model_config(settings).min_level, max(map(int, backbone.output_specs)) + 1)
        self.shapes = {level: tuple(spec[1:]) for level, spec in backbone.output_specs.items()}
        wanted = {str(level) for level in used if str(level) in self.shapes}
        said = json.dumps([data.digest, settings.as_json(), recipe.weights, sorted(wanted)])
        ready = folder / "features.json"
        if not ready.is_file() or ready.read_text(encoding="utf-8") != said:
            ready.unlink(missing_ok=True)
            folder.mkdir(parents=True, exist_ok=True)
            _calculate(
                _Extractor(backbone, settings, wanted),
                data,
                {level: self.shapes[level] for level in wanted},
                folder,
            )
            write_text(ready, said)
        self.levels = {
            level: np.load(folder / f"level_{level}.npy", mmap_mode="r") for level in wanted
        }
        self.embeddings = np.load(folder / "embeddings.npy")
        self.model.backbone = _Given()

    def batch(self, places: np.ndarray, mirrored: np.ndarray | int = 0) -> dict[str, np.ndarray]:
        """The features of these images (b,) by level, float16; zeros for levels that the detector
        does not look at.
        """
        return {
            level: (
                self.levels[level][places, mirrored]
                if level in self.levels
                else np.zeros((len(places), *shape), np.float16)
            )
            for level, shape in self.shapes.items()
        }


class FeatureTrainer:
    """A Trainer (trained_sets.py) on features; `threads` and such are settings of the process."""

    def __init__(self, features: FrozenFeatures, data: DataSet, recipe: Recipe):
        self._features, self._recipe = features, recipe
        settings, model, task = features.settings, features.model, features.task
        self._place = {name: place for place, name in enumerate(features.names)}
        sizes = data.images.set_axis(blob_names(data.images))
        self._shown = np.array(
            [fit(*sizes.loc[name, ["height", "width"]], settings.canvas) for name in features.names]
        )
        optimizer = make_optimizer(default_learning_rate(recipe.batch_size), recipe.steps, _POLICY)
        optimizer.build(model.trainable_variables)
        self._variables = [*model.variables, *optimizer.variables]
        self._initial = [variable.numpy() for variable in self._variables]
        parser = target_parser(settings)
        self._parse = parser.parse_fn(is_training=True)
        config = model_config(settings)
        anchors = anchor.build_anchor_generator(
            min_level=config.min_level,
            max_level=config.max_level,
            num_scales=config.anchor.num_scales,
            aspect_ratios=config.anchor.aspect_ratios,
            anchor_size=config.anchor.anchor_size,
        )(image_size=settings.canvas)

        @tf.function(autograph=False)
        def step(levels, labels):
            return task.train_step((_as_floats(levels), labels), model, optimizer)["loss"]

        @tf.function(autograph=False)
        def detect(levels):
            images = tf.shape(levels[min(levels)])[0]
            everywhere = {
                level: tf.tile(boxes[None], [images, 1, 1, 1]) for level, boxes in anchors.items()
            }
            outputs = model(
                _as_floats(levels),
                image_shape=tf.tile(tf.constant([settings.canvas], tf.float32), [images, 1]),
                anchor_boxes=everywhere,
                training=False,
            )
            return {
                name: value
                for name, value in outputs.items()
                if name.startswith(("detection_", "num_"))
            }

        self._step, self._detect = step, detect

    def __call__(
        self, rows: pd.DataFrame, seed: int, names: list[str], mirror: bool, work: Path
    ) -> dict[str, Detections]:
        """Train on these labels from the initial weights; detections in these images."""
        tf_keras.utils.set_random_seed(seed)
        for variable, value in zip(self._variables, self._initial, strict=True):
            variable.assign(value)
        for batch in self._batches(rows, seed).take(self._recipe.steps):
            places, mirrored, labels = batch
            loss = float(self._step(self._features.batch(places.numpy(), mirrored.numpy()), labels))
        if not np.isfinite(loss):
            raise RuntimeError(f"the loss became {loss}")
        found: list[Detections] = []
        for first in range(0, len(names), _BATCH):
            places = np.array([self._place[name] for name in names[first : first + _BATCH]])
            outcomes = self._detections(places, 0)
            if mirror:
                outcomes = [
                    compared(*pair)
                    for pair in zip(outcomes, self._detections(places, 1), strict=True)
                ]
            found += outcomes
        return dict(zip(names, found, strict=True))

    def _batches(self, rows: pd.DataFrame, seed: int) -> tf.data.Dataset:
        """Endless batches of labelled images: places (b,) int64, mirrored (b,) int32, labels."""
        settings = self._features.settings
        grouped = rows.groupby(blob_names(rows).to_numpy())
        places, boxes, classes = [], [], []
        for name, of_image in grouped:
            of_image = of_image[(of_image["class"] != NULL).to_numpy()]
            place = self._place[name]
            share = np.tile(self._shown[place] / settings.canvas, 2)
            places.append(place)
            boxes.append(
                of_image[["ymin", "xmin", "ymax", "xmax"]].to_numpy(np.float32).reshape(-1, 4)
                * share
            )
            classes.append(of_image["class"].map(settings.classes).to_numpy(np.int64))
        lengths = [len(of_image) for of_image in classes]
        ragged = {
            "groundtruth_boxes": tf.RaggedTensor.from_row_lengths(
                tf.constant(np.concatenate(boxes), tf.float32), lengths
            ),
            "groundtruth_classes": tf.RaggedTensor.from_row_lengths(
                tf.constant(np.concatenate(classes)), lengths
            ),
        }
        examples = tf.data.Dataset.from_tensor_slices(
            {"place": tf.constant(places, tf.int64), **ragged}
        )
        examples = examples.shuffle(len(places), seed=seed).repeat()
        repeats = repeat_factors(
            {
                settings.classes[name]: number
                for name, number in count(rows, settings.classes)["images_of_class"].items()
            }
        )
        examples = with_repeats(
            examples, settings, repeats, spread=min(len(places), 200), seed=seed
        )
        return (
            examples.map(self._with_targets, tf.data.AUTOTUNE)
            .batch(self._recipe.batch_size, drop_remainder=True)
            .prefetch(4)
        )

    @without_conversion
    def _with_targets(self, example: dict) -> tuple:
        mirrored = tf.random.uniform([]) < 0.5
        boxes, classes = example["groundtruth_boxes"], example["groundtruth_classes"]
        ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=1)
        boxes = tf.where(mirrored, tf.stack([ymin, 1 - xmax, ymax, 1 - xmin], 1), boxes)
        _, labels = self._parse(
            {
                "image": tf.zeros([*self._features.settings.canvas, 3]),
                "groundtruth_boxes": boxes,
                "groundtruth_classes": classes,
                "groundtruth_is_crowd": tf.zeros_like(classes, tf.bool),
            }
        )
        return example["place"], tf.cast(mirrored, tf.int32), labels

    def _detections(self, places: np.ndarray, mirrored: int) -> list[Detections]:
        """What is found in these images, or in their mirror images."""
        outputs = {
            name: value.numpy()
            for name, value in self._detect(self._features.batch(places, mirrored)).items()
        }
        shown, canvas = self._shown[places], self._features.settings.canvas
        boxes = (
            moved_left(outputs["detection_boxes"], shown[:, 1], canvas[1])
            if mirrored
            else outputs["detection_boxes"]
        )
        outputs |= {
            "detection_boxes": boxes / np.tile(canvas, 2),
            EMBEDDING: self._features.embeddings[places],
        }
        return from_tensorflow_batch(outputs, canvas, shown.tolist())


def moved_left(boxes: np.ndarray, shown: np.ndarray, width: int) -> np.ndarray:
    """Boxes (b, m, 4) ymin, xmin, ymax, xmax in pixels on mirrored canvases, moved as if the
    pictures, `shown` (b,) pixels wide, began on the left: in a mirrored canvas of this width what
    is beside them does.
    """
    return boxes - np.array([0, 1, 0, 1]) * (width - shown)[:, None, None]


def _calculate(
    extractor: _Extractor, data: DataSet, shapes: dict[str, tuple], folder: Path
) -> None:
    """Write level_<level>.npy and embeddings.npy."""
    names = data.names
    levels = {
        level: np.lib.format.open_memmap(
            folder / f"level_{level}.npy", "w+", np.float16, (len(names), 2, *shape)
        )
        for level, shape in shapes.items()
    }
    embeddings = []
    found = predict(
        extractor,
        ((name, data.files[name]) for name in names),
        batch_size=_BATCH,
        largest_side=max(extractor.canvas),
        greys=data.greys,
    )
    for place, (name, outcome) in enumerate(
        progress_bar(found, "features of the backbone", len(names), unit="image")
    ):
        if isinstance(outcome, Exception):
            raise OutsideError(
                f"{data.files[name]}: {outcome}; it was readable a moment ago. Run the same command"
                " again"
            )
        for level, values in outcome[0].items():
            levels[level][place] = values
        embeddings.append(outcome[1])
    for values in levels.values():
        values.flush()
    np.save(folder / "embeddings.npy", np.stack(embeddings))


def _with_fewer_regions(config):
    """The detection head takes most of the time once the backbone does not."""
    config.roi_sampler.num_sampled_rois = max(1, config.roi_sampler.num_sampled_rois // 2)
    config.roi_generator.test_num_proposals = max(1, config.roi_generator.test_num_proposals // 3)
    return config


def _as_floats(levels: dict) -> dict:
    return {level: tf.cast(values, tf.float32) for level, values in levels.items()}


def open_trainer(data: DataSet, recipe: Recipe, weights: Path, folder: Path) -> FeatureTrainer:
    """The trainer of this data set; features that do not lie in `folder` yet are calculated."""
    settings = Settings(
        recipe.model_name,
        recipe.canvas,
        data.classes,
        freeze_backbone=True,
        most_boxes=data.most_boxes,
    )
    start = pretrained_weights.choose_start(
        recipe.model_name, recipe.checkpoint or None, None, weights
    )
    return FeatureTrainer(FrozenFeatures(data, settings, recipe, start, folder), data, recipe)
