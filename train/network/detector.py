"""The detector: which network a model name and a head mean, as an experiment of tf-models-official,
and the task that trains it.

`Settings` holds everything that shapes the network; it is written beside every checkpoint, so that
export and a later warm start build the same one. Class ids are those of the label map (1-based; 0
is the background). Canvases are (height, width) in pixels.
"""

import dataclasses

import tensorflow as tf
import tf_keras
from official.vision import modeling
from official.vision.configs import backbones, common, decoders, maskrcnn
from official.vision.ops import preprocess_ops
from official.vision.tasks.maskrcnn import MaskRCNNTask

BACKBONES = {
    "faster_rcnn_resnet50_fpn": ("resnet", 50),
    "faster_rcnn_resnet18_fpn": ("resnet", 18),
    "faster_rcnn_resnet101_fpn": ("resnet", 101),
    "faster_rcnn_mobilenet_v2_fpn": ("mobilenet", "MobileNetV2"),
}
# AutoGraph has nothing to convert here, and tracing without it takes half the time.
without_conversion = tf.autograph.experimental.do_not_convert
SCORE_THRESHOLD = 0.01  # evaluation needs the weak detections too; min_confidence is applied later
_SMALL = {"faster_rcnn_resnet18_fpn", "faster_rcnn_mobilenet_v2_fpn"}
_MAX_LEVEL = 6


@dataclasses.dataclass(frozen=True)
class Settings:
    """What shapes the network. `classes` maps a name to its id; `canvas` is (height, width),
    multiples of 64. `most_boxes`: as many boxes of an image can be learned from as the fullest
    image has.
    """

    model_name: str
    canvas: tuple[int, int]
    classes: dict[str, int]
    head: str = "light"
    max_detections: int = 100
    freeze_backbone: bool = False
    most_boxes: int = 100

    @property
    def num_classes(self) -> int:
        """Network outputs per region: the highest id (ids may have gaps) and the background."""
        return max(self.classes.values(), default=0) + 1

    def as_json(self) -> dict:
        return {**dataclasses.asdict(self), "canvas": list(self.canvas)}

    @classmethod
    def from_json(cls, document: dict) -> "Settings":
        document = {"most_boxes": 100, **document}  # older ones do not have it
        fields = {field.name: document[field.name] for field in dataclasses.fields(cls)}
        return cls(**{**fields, "canvas": tuple(fields["canvas"])})


def model_config(settings: Settings) -> maskrcnn.MaskRCNN:
    """The network's configuration.

    `stock` is the experiment's own: 256 filters from level 2, four convolutions and one dense layer
    on 1000 proposals. `light` starts at level 3 and puts two dense layers on 300 proposals; the
    small backbones then get 128 filters. There are at least twice as many proposals as boxes that
    may be found.
    """
    light = settings.head == "light"
    kind, model_id = BACKBONES[settings.model_name]
    backbone = backbones.Backbone(type=kind)
    getattr(backbone, kind).model_id = model_id
    filters = 128 if light and settings.model_name in _SMALL else 256
    proposals = max(300 if light else 1000, 2 * settings.max_detections)
    # Light: two anchor sizes a level, for the octaves that level 2 would have covered.
    anchor = (
        maskrcnn.Anchor(num_scales=2, anchor_size=3.0 if max(settings.canvas) <= 512 else 4.0)
        if light
        else maskrcnn.Anchor()
    )
    return maskrcnn.MaskRCNN(
        num_classes=settings.num_classes,
        input_size=[*settings.canvas, 3],
        min_level=3 if light else 2,
        max_level=_MAX_LEVEL,
        anchor=anchor,
        backbone=backbone,
        decoder=decoders.Decoder(type="fpn", fpn=decoders.FPN(num_filters=filters)),
        rpn_head=maskrcnn.RPNHead(num_convs=1, num_filters=filters),
        detection_head=maskrcnn.DetectionHead(
            num_convs=0 if light else 4,
            num_filters=filters,
            num_fcs=2 if light else 1,
            fc_dims=512 if filters == 128 else 1024,
        ),
        roi_generator=maskrcnn.ROIGenerator(
            pre_nms_top_k=max(1000 if light else 2000, 2 * proposals),
            num_proposals=proposals,
            test_pre_nms_top_k=max(1000, 2 * proposals if proposals > 1000 else 0),
            test_num_proposals=proposals,
            use_batched_nms=light,
        ),
        roi_sampler=maskrcnn.ROISampler(num_sampled_rois=64 if light else 512),
        detection_generator=maskrcnn.DetectionGenerator(
            nms_version="batched",
            max_num_detections=settings.max_detections,
            pre_nms_score_threshold=SCORE_THRESHOLD,
        ),
        include_mask=False,
        mask_head=None,
        mask_sampler=None,
        mask_roi_aligner=None,
        # A momentum of 0.997 is too slow for runs of some hundred steps.
        norm_activation=common.NormActivation(
            norm_momentum=0.99, norm_epsilon=1e-4, use_sync_bn=False
        ),
    )


def make_task(
    settings: Settings,
    config: maskrcnn.MaskRCNN | None = None,
    kind: type[MaskRCNNTask] = MaskRCNNTask,
) -> MaskRCNNTask:
    """The task (losses, training step) for these settings (or for this configuration of theirs);
    nothing in it reaches outside this machine.
    """
    return kind(
        maskrcnn.MaskRCNNTask(
            model=config or model_config(settings),
            losses=maskrcnn.Losses(
                l2_weight_decay=0.0
            ),  # the optimizer decays the weights: a smaller graph
            init_checkpoint=None,
            annotation_file=None,
            freeze_backbone=settings.freeze_backbone,
        )
    )


@without_conversion
def build_model(task: MaskRCNNTask) -> tf_keras.Model:
    """The network, its variables made. What a global policy of 16 bits makes 16-bit is its backbone
    and pyramid.

    Heads and boxes stay in 32 bits: in 16 there is no half pixel at 1000 pixels, and no suppression
    of overlapping boxes.
    """
    config, policy = task.task_config, tf_keras.mixed_precision.global_policy()
    specs = tf_keras.layers.InputSpec(shape=[None, *config.model.input_size])
    backbone = modeling.backbones.factory.build_backbone(
        specs, config.model.backbone, config.model.norm_activation
    )
    pyramid = modeling.decoders.factory.build_decoder(backbone.output_specs, config.model)
    tf_keras.mixed_precision.set_global_policy("float32")
    model = modeling.factory.build_maskrcnn(specs, config.model, backbone=backbone, decoder=pyramid)
    model.backbone.trainable = not config.freeze_backbone
    model(tf_keras.Input(config.model.input_size), image_shape=tf_keras.Input([2]), training=False)
    tf_keras.mixed_precision.set_global_policy(policy)
    return model


def fit_into_canvas(images: tf.Tensor, canvas: tuple[int, int]) -> tuple[tf.Tensor, tf.Tensor]:
    """Fit images uint8 ([b,] h, w, 3) into the top left of a black canvas, keeping their aspect
    ratio.

    Returns the canvases ([b,] H, W, 3) float32 with values 0-255 and the share of them that the
    images cover, (2,) float32 (height, width). Images of the canvas' own size come back unchanged.
    The size is that of utils.images.canvas.fit.
    """
    pixels = tf.shape(images)[-3:-1]
    size, target = tf.cast(pixels, tf.float32), tf.constant(canvas, tf.float32)
    fitted = tf.clip_by_value(tf.round(size * tf.reduce_min(target / size)), 1.0, target)
    to = tf.cast(fitted, tf.int32)
    resized = tf.cond(
        tf.reduce_all(to == pixels),
        lambda: tf.cast(images, tf.float32),
        lambda: tf.image.resize(images, to, antialias=True),
    )
    padded = tf.image.pad_to_bounding_box(resized, 0, 0, *canvas)
    return tf.ensure_shape(padded, [*images.shape[:-3], *canvas, 3]), fitted / target


def image_embedding(levels: dict[str, tf.Tensor]) -> tf.Tensor:
    """(b, d): the last level of the backbone's outputs {level: (b, h, w, d)}, averaged over the
    picture.
    """
    return tf.reduce_mean(levels[max(levels, key=int)], axis=[1, 2])


def normalise(images: tf.Tensor) -> tf.Tensor:
    """Pixel values 0-255 (float32) to the zero mean and unit variance that the published backbones
    were trained with.
    """
    return preprocess_ops.normalize_image(images / 255.0)
