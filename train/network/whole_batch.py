"""Losses of several machines that are those of one machine with the whole batch.

The box losses of tf-models-official are sums over coordinates, divided by (m + 0.01), where m is
the mean number of coordinates per replica. Of N coordinates in R replicas that makes 1 / (N + 0.01
R) where one replica has 1 / (N + 0.01): with few boxes it can be seen. Here 0.01 is shared out too.
"""

import tensorflow as tf
from official.vision.losses import maskrcnn_losses
from official.vision.tasks.maskrcnn import MaskRCNNTask

_ADDED = 0.01  # by tf-models-official


class WholeBatchTask(MaskRCNNTask):
    """The task (losses, training step) on one of several replicas."""

    def _build_rpn_losses(self, outputs, labels):
        score_loss = maskrcnn_losses.RpnScoreLoss(tf.shape(outputs["box_outputs"])[1])
        box_loss = _RpnBoxLoss(self.task_config.losses.rpn_huber_loss_delta)
        return (
            score_loss(outputs["rpn_scores"], labels["rpn_score_targets"]),
            box_loss(outputs["rpn_boxes"], labels["rpn_box_targets"]),
        )

    def _build_frcnn_losses(self, outputs, labels):
        class_loss, box_loss = super()._build_frcnn_losses(outputs, labels)
        return class_loss, box_loss * _correction(outputs["class_targets"] > 0)


class _RpnBoxLoss(maskrcnn_losses.RpnBoxLoss):
    """Its part for one level of the pyramid, corrected."""

    def _rpn_box_loss(self, box_outputs, box_targets, normalizer=1.0):
        loss = super()._rpn_box_loss(box_outputs, box_targets, normalizer)
        _, height, width, coordinates = box_targets.shape
        boxes = tf.reshape(box_targets, [-1, height, width, coordinates // 4, 4])
        return loss * _correction(tf.reduce_any(tf.abs(boxes) > 1e-6, axis=-1))


def _correction(boxes: tf.Tensor) -> tf.Tensor:
    """What makes a loss over these boxes, the True ones of one replica, that of the whole batch."""
    replica = tf.distribute.get_replica_context()
    coordinates = 4.0 * tf.reduce_sum(tf.cast(boxes, tf.float32))
    mean = replica.all_reduce(tf.distribute.ReduceOp.MEAN, coordinates)
    return (mean + _ADDED) / (mean + _ADDED / replica.num_replicas_in_sync)
