#!/usr/bin/env bash
# One training cycle, from the reviewed labels to new predictions: bash train/active_learning_train.sh config.ini
#
# Each step can be gone on from: --from STEP. What other machines see changes once, in publish_cycle; the report follows it.
# Options after the config go to train_detector.py, for example --iterations 100 for a short try.
bash "$(dirname -- "${BASH_SOURCE:-$0}")/run_steps.sh" "${BASH_SOURCE:-$0}" \
    sync_images.py \
    "repartition_test_set.py --top-up" \
    create_tf_records.py \
    "train_detector.py @" \
    export_model.py \
    create_predictions.py \
    evaluate_model.py \
    compare_models.py \
    publish_cycle.py \
    publish_report.py \
    -- "$@"
