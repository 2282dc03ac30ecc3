#!/usr/bin/env bash
# The whole loop on drawn pictures, with a scripted annotator: bash train/active_learning_demo.sh [FOLDER]
#
# Makes the environment (.venv) if it is not there, draws a small data set in FOLDER (default: demo), and drives the real scripts
# through three cycles of labelling and training. Needs about ten minutes on two cores, and 4 GB of memory.
bash "$(dirname -- "${BASH_SOURCE:-$0}")/set_up.sh" && bash "$(dirname -- "${BASH_SOURCE:-$0}")/run_steps.sh" "${BASH_SOURCE:-$0}" \
    run_demo.py \
    -- "${@:-demo}"
