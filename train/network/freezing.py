"""Which parts of a pretrained backbone stay as they are."""

import tf_keras


def freeze_stages(backbone: tf_keras.Model, stages: int) -> list[tf_keras.layers.Layer]:
    """Freeze the backbone's first layers, weights and statistics: those before the first whose
    output is smaller than 1/2**stages of the canvas. Returns them.
    """
    height = backbone.input_shape[1]
    frozen = []
    for layer in backbone.layers:
        smaller = height / layer.get_output_at(0).shape[1]
        if smaller > 2**stages:
            break
        layer.trainable = False
        frozen.append(layer)
    return frozen


def freeze_statistics(backbone: tf_keras.Model) -> list[tf_keras.layers.Layer]:
    """Let the backbone normalise as it came, with statistics, scales and offsets that stay; what
    learns are its other weights. Returns the layers that this concerns.
    """
    layers = [
        layer
        for layer in backbone.submodules
        if isinstance(layer, tf_keras.layers.BatchNormalization)
    ]
    for layer in layers:
        layer.trainable = False
    return layers
