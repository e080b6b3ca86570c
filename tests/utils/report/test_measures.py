from utils.report.measures import MEASURES, headline_measures


def test_shares_are_shown_in_per_cent_with_one_decimal() -> None:
    accuracy = MEASURES["accuracy"]
    assert accuracy.number(0.4771) == "47.7"
    assert accuracy.spread((0.4571, 0.4971)) == "45.7 to 49.7"
    assert accuracy.plus_minus(0.4771, (0.4571, 0.4971)) == "47.7 ± 2.0"


def test_log_loss_has_three_decimals_and_less_is_better() -> None:
    loss = MEASURES["log_loss"]
    assert loss.number(1.4734) == "1.473"
    assert not loss.higher_is_better


def test_what_is_undefined_is_a_dash() -> None:
    loss = MEASURES["log_loss"]
    assert (loss.number(None), loss.spread(None)) == ("–", "–")
    assert loss.plus_minus(None, (1.0, 2.0)) == "–"
    assert loss.plus_minus(1.0, None) == "1.000"


def test_headlines_keep_their_order_and_leave_out_the_rest() -> None:
    found = headline_measures(["log_loss_micro", "log_loss", "unheard_of", "accuracy", "log_loss"])
    assert [measure.key for measure in found] == ["accuracy", "log_loss"]
