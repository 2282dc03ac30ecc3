"""With how many bits predictions are calculated, and a network is trained."""

import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from train.network.arithmetic import BFLOAT16, calculating_in, first_without_notes
from train.prediction.bfloat16 import bfloat16_gain, cpu_flags, use_bfloat16


def test_bfloat16_is_used_where_the_cpu_is_faster_in_it_and_where_it_is_asked_for(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor : 0\nflags\t\t: fpu avx2\n")
    assert use_bfloat16("auto", cpuinfo) == (
        False,
        "predicting in float32 (bfloat16=auto; this CPU is not known to be made for bfloat16)",
    )
    assert use_bfloat16("true", cpuinfo)[0] and not use_bfloat16("false", cpuinfo)[0]
    cpuinfo.write_text("flags\t\t: fpu avx2 avx512_bf16\n")
    assert use_bfloat16("auto", cpuinfo, lambda: 1.6) == (
        True,
        "predicting in bfloat16 (bfloat16=auto; this CPU is 1.6 times as fast in bfloat16)",
    )
    assert use_bfloat16("auto", cpuinfo, lambda: 0.6) == (
        False,
        "predicting in float32 (bfloat16=auto; this CPU is 0.6 times as fast in bfloat16)",
    )
    assert not use_bfloat16("false", cpuinfo)[0]
    assert not use_bfloat16("auto", tmp_path / "not_linux")[0]


def test_the_gain_is_measured_on_any_cpu():
    assert 0 < bfloat16_gain() < 100


def test_what_is_traced_is_calculated_in_16_bits_only_where_it_was_asked_for():
    if "avx512f" not in cpu_flags(Path("/proc/cpuinfo")):
        pytest.skip("oneDNN does not rewrite graphs for this CPU")
    draw = np.random.default_rng(0)
    images, kernel = (
        tf.constant(draw.normal(size=shape), tf.float32)
        for shape in ((1, 8, 8, 16), (3, 3, 16, 16))
    )
    whole = tf.nn.relu(tf.nn.conv2d(images, kernel, 1, "SAME")).numpy()

    def apart(arithmetic):
        @tf.function(autograph=False)
        def convolved():
            return tf.nn.relu(tf.nn.conv2d(images * 1.0, kernel, 1, "SAME"))

        with calculating_in(arithmetic):
            found = first_without_notes(convolved)().numpy()
        return abs(found - whole).max() / whole.max()

    assert apart("float32") < 1e-5
    assert apart("bfloat16") > 1e-4
    assert apart("float32") < 1e-5, "afterwards it is as before"


def test_graphs_are_left_as_they_were_traced_in_32_bits_on_a_cpu_only():
    def as_traced() -> bool:
        options = tf.config.optimizer.get_experimental_options()
        return options.get("disable_meta_optimizer", False)

    for arithmetic, expected in (("float32", True), (BFLOAT16, False), ("mixed_float16", False)):
        with calculating_in(arithmetic):
            assert as_traced() == expected
        assert not as_traced()


def test_notes_are_kept_away_from_the_first_call_only_and_only_where_graphs_are_rewritten(capfd):
    for arithmetic in ("float32", BFLOAT16):
        speak = first_without_notes(lambda text: os.write(2, text))
        with calculating_in(arithmetic):
            speak(f"a note in {arithmetic}\n".encode())
            speak(b"a word\n")
    assert capfd.readouterr().err == "a note in float32\na word\na word\n"
