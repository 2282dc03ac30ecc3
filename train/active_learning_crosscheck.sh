#!/usr/bin/env bash
# Judges labelled photos by models that were not trained on them: bash train/active_learning_crosscheck.sh config.ini
#
# Trains a few models, each without a part of the labels, for download_vott_json.py --review-suspect. No model goes live.
# It goes on where it was when it is started again. Options after the config: --folds N (4), --iterations N.
bash "$(dirname -- "${BASH_SOURCE:-$0}")/run_steps.sh" "${BASH_SOURCE:-$0}" "cross_check.py @" -- "$@"
