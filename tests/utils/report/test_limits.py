from dataclasses import replace

import pytest

from utils.config.export_section import LimitSettings
from utils.errors import ConfigError
from utils.report.limits import (
    all_passed,
    broken_limits,
    counts_zeros,
    judge,
    require_judged,
    sentence,
)
from utils.report.results import ExportFacts, ModelFacts, Results, Verdict


def _model(**changes: int) -> ModelFacts:
    facts = {
        "parameters": 46_246, "trainable": 46_118, "non_zero": 46_246,
        "macs": 29_200_000, "keras_float16_bytes": 93_004,
    }  # fmt: skip
    return ModelFacts(**{**facts, **changes})


def _export(*, size: int, non_zero: int, parameters: int = 45_990) -> ExportFacts:
    return ExportFacts(size + 9_000, parameters, parameters, size, non_zero)


def test_a_model_at_the_limit_passes_and_one_byte_more_does_not() -> None:
    limits = LimitSettings(
        parameter_bytes={"exact": 46_512, "less": 46_511}, parameters={}, macs={}
    )
    exports = {"int8": _export(size=50_000, non_zero=46_512)}
    exact, less = judge(limits, model=_model(), exports=exports)
    assert (exact.passed, less.passed) == (True, False)
    assert not all_passed([exact, less])
    assert all_passed([exact])


def test_default_limits_judge_non_zero_bytes_parameters_and_operations() -> None:
    exports = {"int8": _export(size=140_000, non_zero=130_000, parameters=135_000)}
    verdicts = judge(LimitSettings(), model=_model(macs=30_000_001), exports=exports)
    assert [(v.value, v.allowed, v.passed) for v in verdicts] == [
        (130_000, 128_000, False),
        (130_000, 131_072, True),
        (135_000, 128_000, False),
        (30_000_001, 30_000_000, False),
    ]


def test_zeros_count_where_the_limit_says_so() -> None:
    """Half the weights zero: the rule of 2021 lets them pass, those since 2022 do not."""
    allowed = {"parameter_bytes": {"2021": 128_000}, "model_bytes": {"2024": 128_000}}
    limits = LimitSettings(**allowed, parameters={}, macs={})
    exports = {"int8": _export(size=248_000, non_zero=126_000)}
    verdicts = judge(limits, model=_model(), exports=exports)
    assert [(v.name, v.value, v.passed) for v in verdicts] == [
        ("2021", 126_000, True), ("2024", 248_000, False),
    ]  # fmt: skip
    assert sentence(verdicts[1]) == (
        "breaks the size limit 2024: 248,000 of 128,000 bytes with zeros (int8)"
    )
    assert not counts_zeros(verdicts)
    assert counts_zeros(verdicts[1:])
    assert not counts_zeros(())


def test_operations_are_those_of_all_passes() -> None:
    limits = LimitSettings(parameter_bytes={}, parameters={}, macs={"30 MMAC": 30_000_000})
    model = _model(macs=10_000_001)
    (one,) = judge(limits, model=model, exports={})
    (three,) = judge(limits, model=replace(model, passes=3), exports={})
    assert (one.value, one.passed) == (10_000_001, True)
    assert (three.value, three.passed) == (30_000_003, False)


def test_operations_of_the_judged_file_are_those_of_the_challenges_tool() -> None:
    limits = LimitSettings(parameter_bytes={}, parameters={}, macs={"30 MMAC": 30_000_000})
    file = replace(_export(size=1, non_zero=1), nessi_macs=15_000_001)
    exports = {"int8": file, "float32": replace(file, nessi_macs=1)}
    model = replace(_model(), passes=2, macs=14_000_000)
    network, by_nessi = judge(limits, model=model, exports=exports)
    assert (network.value, network.unit, network.passed) == (28_000_000, "MAC", True)
    assert (by_nessi.value, by_nessi.unit, by_nessi.passed) == (30_000_002, "MAC (NeSsi)", False)
    assert sentence(by_nessi) == (
        "breaks the MAC limit 30 MMAC: 30,000,002 of 30,000,000 MAC (NeSsi) (int8)"
    )


def test_keras_in_float16_is_judged_by_the_challenges_own_count() -> None:
    limits = LimitSettings(format="keras_float16")
    verdicts = judge(limits, model=_model(), exports={})
    assert [v.value for v in verdicts] == [93_004, 93_004, 46_246, 29_200_000]
    assert all_passed(verdicts)


def test_a_format_that_was_not_exported_is_an_error_that_names_it() -> None:
    limits = LimitSettings(format="int8")
    with pytest.raises(ConfigError, match=r"limits\.format: int8 .*\(exported: float32\)"):
        judge(limits, model=_model(), exports={"float32": _export(size=1, non_zero=1)})
    with pytest.raises(ConfigError, match="exported: nothing"):
        require_judged(limits, formats=())
    require_judged(LimitSettings(format="keras_float16"), formats=())


def test_no_format_is_wanted_where_no_limit_is_set_on_it() -> None:
    none = LimitSettings(parameter_bytes={}, parameters={}, macs={})
    require_judged(none, formats=("float32",))
    exports = {"float32": _export(size=1, non_zero=1)}
    assert judge(none, model=_model(), exports=exports) == ()
    operations = LimitSettings(parameter_bytes={}, parameters={})
    (verdict,) = judge(operations, model=_model(), exports={})
    assert (verdict.unit, verdict.value) == ("MAC", 29_200_000)
    for name in ("parameter_bytes", "model_bytes", "parameters"):
        with pytest.raises(ConfigError, match="int8 is to be judged but is not exported"):
            require_judged(none.model_copy(update={name: {"a": 1}}), formats=("float32",))


def test_layer_5_breaks_the_size_limit_in_words(layer5: Results) -> None:
    first = broken_limits(layer5)[0]
    assert first == (
        "task1a_layer5 breaks the size limit DCASE 2021 (128 KB): "
        "192,300 of 128,000 bytes (int8)."
    )  # fmt: skip
    assert len(broken_limits(layer5)) == 4


def test_a_kept_limit_in_words() -> None:
    verdict = Verdict("30 MMAC", 29_200_000, 30_000_000, True, "MAC", "network")
    assert sentence(verdict) == (
        "keeps the MAC limit 30 MMAC: 29,200,000 of 30,000,000 MAC (network)"
    )
