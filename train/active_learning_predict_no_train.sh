#!/usr/bin/env bash
# New predictions by an existing model, without training: bash train/active_learning_predict_no_train.sh config.ini
#
# Runs pred_model_name (None: the newest published model) over all images, or those below pred_dir, and publishes totag. Images that
# it has predicted before and that have not changed are skipped (--force: not). Interrupted, it goes on where it was.
bash "$(dirname -- "${BASH_SOURCE:-$0}")/run_steps.sh" "${BASH_SOURCE:-$0}" \
    "sync_images.py --pred-dir" \
    fetch_model.py \
    "create_predictions.py @" \
    publish_predictions.py \
    -- "$@"
