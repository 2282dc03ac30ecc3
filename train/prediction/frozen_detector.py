"""Runs a detection model of the classic signature: our own frozen graphs, those of the TF1 zoo, and
SavedModel folders of TF2.

Input `image_tensor` uint8 [batch, h, w, 3] RGB; outputs detection_boxes [batch, m, 4] ymin, xmin,
ymax, xmax in fractions of the fed image, detection_scores, detection_classes (1-based floats),
num_detections [batch]. Our own graphs also give image_embedding [batch, d] and hold a constant
`canvas` int32 [h, w]: fed images of exactly this size are not resized inside.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from train.network.quiet import silence, without_notes

silence()
import tensorflow as tf  # noqa: E402
from tensorflow.core.protobuf import rewriter_config_pb2  # noqa: E402

from train.network.fetch import stand_in  # noqa: E402
from train.network.foreign_models import foreign_model  # noqa: E402
from utils.boxes.detections import EMBEDDING, Detections, from_tensorflow_batch  # noqa: E402
from utils.errors import InputError  # noqa: E402

INPUT = "image_tensor"
OUTPUTS = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")
WANTED = (
    f"expected a frozen detection graph (input {INPUT}, outputs {', '.join(OUTPUTS)}) or a"
    " SavedModel folder"
)
_REACHES = re.compile(  # operations on files, on other programs, on the network, on the terminal
    "File|Reader|Save|Restore|Checkpoint|Dataset|Iterator|Summary|PyFunc|Rpc|RemoteCall|Print|Sql"
    "|LMDB|Debug"
)
_NORMALISED = 2  # boxes in fractions reach little beyond 1
# an image for the first run, in which TensorFlow optimises the graph
_LOADED_WITH = (
    1,
    320,
    320,
    3,
)


class FrozenDetector:
    """A detection model, loaded from a frozen graph or a SavedModel.

    canvas: (h, w) in pixels when the model has one fixed input size, else None (it resizes by
    itself). inner_size: (h, w) in pixels to which a model without a canvas resizes every image
    inside, else None. bfloat16: have TensorFlow calculate in 16 bits where that does no harm
    (oneDNN's kernels; convolutions on a CPU). one_by_one: the model takes a single image at a time;
    `detect` sees to it. embeds: it gives embeddings of images too. Raises InputError, one line,
    when the file or folder is something else.
    """

    def __init__(self, path: Path | str, bfloat16: bool = False):
        self.path, self.bfloat16 = Path(path), bfloat16
        found = _model_in(self.path)
        self.canvas: tuple[int, int] | None = None
        self.inner_size: tuple[int, int] | None = None
        self.one_by_one = False
        self.embeds = False
        with without_notes():
            if found.is_dir():
                self._load_saved_model(found)
            else:
                self._load_frozen_graph(found)
            self._run(np.zeros((1, *self.canvas, 3) if self.canvas else _LOADED_WITH, np.uint8))

    def detect(
        self, images: np.ndarray, shown: Sequence[tuple[int, int]] | None = None
    ) -> list[Detections]:
        """What is found in each of images uint8 (b, h, w, 3) RGB, most confident first.

        shown: (h, w) of the part of each that shows a picture, at the top left; boxes are fractions
        of it. None = all of it.
        """
        if self.one_by_one and len(images) > 1:
            parts = [
                {name: output[0] for name, output in self._run(image[None]).items()}
                for image in images
            ]
            outputs = {name: [part[name] for part in parts] for name in parts[0]}
        else:
            outputs = self._run(images)
        size = images.shape[1:3]
        return from_tensorflow_batch(outputs, size, shown or [size] * len(images))

    def _load_frozen_graph(self, file: Path) -> None:
        definition = _graph_definition(file)
        _refuse_reach(file, definition)
        nodes = {node.name: node for node in definition.node}
        missing = [name for name in (INPUT, *OUTPUTS) if name not in nodes]
        if missing:
            raise InputError(
                f"{file}: a TensorFlow graph of {len(nodes)} nodes without {', '.join(missing)};"
                f" {WANTED}"
            )
        if "canvas" in nodes and nodes["canvas"].op == "Const":
            height, width = tf.make_ndarray(nodes["canvas"].attr["value"].tensor).tolist()
            self.canvas = (height, width)
        else:
            self.inner_size = _fixed_resize(nodes)
        with tf.Graph().as_default() as graph:
            try:
                tf.graph_util.import_graph_def(definition, name="")
            except (ValueError, tf.errors.OpError) as error:
                raise InputError(
                    f"{file}: TensorFlow {tf.__version__} cannot load this graph"
                    f" ({str(error)[:200]})"
                ) from None
            tensor = graph.get_tensor_by_name(f"{INPUT}:0")
            self._check_input(file, tensor.dtype, tensor.shape)
            settings = tf.compat.v1.ConfigProto(
                gpu_options=tf.compat.v1.GPUOptions(allow_growth=True)
            )
            # twice through all passes, as is usual, takes twice as long and makes nothing faster
            settings.graph_options.rewrite_options.meta_optimizer_iterations = (
                rewriter_config_pb2.RewriterConfig.ONE
            )
            if self.bfloat16:
                settings.graph_options.rewrite_options.auto_mixed_precision_onednn_bfloat16 = (
                    rewriter_config_pb2.RewriterConfig.ON
                )
            self._session = tf.compat.v1.Session(graph=graph, config=settings)
            self.embeds = EMBEDDING in nodes
            fetched = (*OUTPUTS, EMBEDDING) if self.embeds else OUTPUTS
            call = self._session.make_callable(
                [f"{name}:0" for name in fetched], feed_list=[tensor]
            )
        self._run = lambda images: dict(zip(fetched, call(images), strict=True))

    def _load_saved_model(self, folder: Path) -> None:
        if self.bfloat16:
            tf.config.optimizer.set_experimental_options(
                {"auto_mixed_precision_onednn_bfloat16": True}
            )
        try:
            # must stay alive as long as its signature is used
            self._model = tf.saved_model.load(str(folder))
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise InputError(
                f"{folder}: TensorFlow {tf.__version__} cannot load this SavedModel"
                f" ({str(error)[:200]})"
            ) from None
        signature = self._model.signatures.get("serving_default")
        if signature is None:
            raise InputError(
                f"{folder}: a SavedModel without the signature serving_default; {WANTED}"
            )
        missing = [name for name in OUTPUTS if name not in signature.structured_outputs]
        inputs = signature.structured_input_signature[1]
        if missing or len(inputs) != 1:
            raise InputError(
                f"{folder}: a SavedModel with the inputs {', '.join(inputs)} and without the"
                f" outputs {', '.join(missing)}; {WANTED}"
            )
        ((name, specification),) = inputs.items()
        self._check_input(folder, specification.dtype, specification.shape)

        def run(images):
            outputs = {
                key: value.numpy()
                for key, value in signature(**{name: tf.constant(images)}).items()
            }
            # tf-models-official: boxes in pixels of the resized image, unless it was told to
            # normalise them (RetinaNet only, and
            # image_info is there all the same). The rows of image_info are size, resized, scale,
            # offset.
            if "image_info" in outputs and outputs["detection_boxes"].max(initial=0) > _NORMALISED:
                size, scale = outputs["image_info"][:, None, 0], outputs["image_info"][:, None, 2]
                outputs["detection_boxes"] = outputs["detection_boxes"] / np.tile(scale * size, 2)
            return outputs

        self._run = run

    def _check_input(self, path: Path, dtype: tf.DType, shape: tf.TensorShape) -> None:
        if dtype != tf.uint8 or shape.rank not in (4, None):
            raise InputError(
                f"{path}: the model's input is {dtype.name} {shape}, expected images uint8 [batch,"
                " height, width, 3]"
            )
        self.one_by_one = shape.rank == 4 and shape[0] == 1
        if shape.rank == 4 and shape[1] and shape[2]:
            self.canvas = (shape[1], shape[2])


def _refuse_reach(file: Path, definition: tf.compat.v1.GraphDef) -> None:
    """Raises InputError if the graph would read or write files, run Python or speak to a network: a
    detector calculates, and a model of the label container may be anybody's.
    """
    parts = [definition.node, *(function.node_def for function in definition.library.function)]
    found = sorted({node.op for part in parts for node in part if _REACHES.search(node.op)})
    if found:
        raise InputError(
            f"{file}: this graph does more than detect, it would reach out of the model"
            f" ({', '.join(found[:3])}); do not run it, and ask who put it there"
        )


def _fixed_resize(nodes: dict[str, tf.compat.v1.NodeDef]) -> tuple[int, int] | None:
    """(h, w) to which a graph of the TF1 zoo resizes every image first; None where that depends on
    the image, or is not known.
    """
    sizes = set()
    for name, node in nodes.items():
        if name.startswith("Preprocessor/") and node.op.startswith("Resize"):
            size = nodes.get(node.input[1].split(":")[0])
            if size is None or size.op != "Const":
                return None
            sizes.add(tuple(tf.make_ndarray(size.attr["value"].tensor).tolist()))
    return sizes.pop() if len(sizes) == 1 else None


def _model_in(path: Path) -> Path:
    """The frozen graph or the SavedModel folder that a person means by `path`."""
    if not path.exists():
        raise InputError(f"{path}: no such model; {WANTED}")
    if path.name == "saved_model.pb":
        return path.parent
    if path.is_file() or (path / "saved_model.pb").is_file():
        return path
    for inside in (path / "saved_model", path / "frozen_inference_graph.pb"):
        if (inside / "saved_model.pb").is_file() or inside.is_file():
            return inside
    names = sorted(entry.name for entry in path.iterdir())
    raise InputError(f"{path}: a folder with {', '.join(names[:5]) or 'nothing'} in it; {WANTED}")


def _graph_definition(file: Path) -> tf.compat.v1.GraphDef:
    content = file.read_bytes()
    definition = tf.compat.v1.GraphDef()
    if what := stand_in(file):
        raise InputError(f"{file}: {what}; delete it and fetch it again; {WANTED}")
    if what := foreign_model(file):
        raise InputError(f"{file}: {what}; {WANTED}")
    try:
        definition.ParseFromString(content)
    except Exception:  # protobuf's DecodeError is not importable from a stable place
        definition.Clear()
    if not definition.node:
        kind = (
            "an empty file"
            if not content
            else f"a file of {len(content)} bytes that is no TensorFlow graph"
        )
        raise InputError(f"{file}: {kind}; {WANTED}")
    return definition
