#!/usr/bin/env bash
# Measures an existing model on the test set, without training: bash train/active_learning_eval.sh config.ini
#
# Runs pred_model_name (None: the newest published model) over the test images and publishes performance; totag stays as it is.
bash "$(dirname -- "${BASH_SOURCE:-$0}")/run_steps.sh" "${BASH_SOURCE:-$0}" \
    sync_images.py \
    fetch_model.py \
    "create_predictions.py --test-only" \
    evaluate_model.py \
    publish_performance.py \
    -- "$@"
