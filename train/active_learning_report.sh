#!/usr/bin/env bash
# Makes the report on the project anew, without training: bash train/active_learning_report.sh config.ini
#
# One page: how good the model is, what it got wrong, which photos come next. It opens by a double click.
bash "$(dirname -- "${BASH_SOURCE:-$0}")/run_steps.sh" "${BASH_SOURCE:-$0}" publish_report.py -- "$@"
