"""With how many bits predictions are calculated."""

from train.prediction.bfloat16 import bfloat16_gain, use_bfloat16


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
