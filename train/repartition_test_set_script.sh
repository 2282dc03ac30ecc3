#!/usr/bin/env bash
# Sets a part of the reviewed images aside for measuring: bash train/repartition_test_set_script.sh config.ini
#
# Draws until test_percentage of the reviewed images is in the test set, from images that no published model was trained on; images in it stay.
# --redraw draws from all of them, and makes the next cycle start from pretrained weights.
bash "$(dirname -- "${BASH_SOURCE:-$0}")/run_steps.sh" "${BASH_SOURCE:-$0}" \
    "repartition_test_set.py @" \
    -- "$@"
