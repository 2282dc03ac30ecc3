#!/usr/bin/env bash
# After classes= was changed: a new label map with stable ids: bash train/active_learning_update_label_map.sh config.ini
#
# Says which classes were added or dropped, and how many boxes of them there are.
bash "$(dirname -- "${BASH_SOURCE:-$0}")/run_steps.sh" "${BASH_SOURCE:-$0}" update_label_map.py -- "$@"
