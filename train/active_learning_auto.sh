#!/usr/bin/env bash
# Trains by itself whenever enough images were reviewed, until it is stopped: bash train/active_learning_auto.sh config.ini
#
# auto_retrain_images, auto_retrain_hours and auto_poll_seconds say when. A model that is worse than the live one is not published.
# --once looks once, for cron; --accept publishes a model that was kept back. train/active_learning_auto.service is a unit for systemd.
bash "$(dirname -- "${BASH_SOURCE:-$0}")/run_steps.sh" "${BASH_SOURCE:-$0}" \
    "watch.py @" \
    -- "$@"
