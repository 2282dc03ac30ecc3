#!/usr/bin/env bash
# Predictions of a pretrained model for a project without labels: bash train/active_learning_init_pred.sh config.ini
#
# Takes new images in, fetches the model (init_model_name from init_pred_tf_url) once, runs it over all images that nobody has, and
# publishes init_totag. Then: python tag/download_vott_json.py N config.ini CLASS_MAP.json. Interrupted, it goes on where it was.
# Options after the config go to create_init_predictions.py, for example --force.
bash "$(dirname -- "${BASH_SOURCE:-$0}")/run_steps.sh" "${BASH_SOURCE:-$0}" \
    initialize.py \
    fetch_init_model.py \
    "create_init_predictions.py @" \
    -- "$@"
