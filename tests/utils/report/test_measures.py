from utils.report.measures import MEASURES, headline_measures, use_of


def test_shares_are_shown_in_per_cent_with_one_decimal() -> None:
    accuracy = MEASURES["accuracy"]
    assert accuracy.number(0.4771) == "47.7"
    assert accuracy.spread((0.4571, 0.4971)) == "45.7 to 49.7"
    assert accuracy.plus_minus(0.4771, (0.4571, 0.4971)) == "47.7 ± 2.0"


def test_log_loss_has_three_decimals_and_less_is_better() -> None:
    loss = MEASURES["log_loss"]
    assert loss.number(1.4734) == "1.473"
    assert not loss.higher_is_better


def test_decibels_are_of_a_network_that_separates_windows() -> None:
    assert use_of(["accuracy", "log_loss"]) == use_of([]) == use_of(["top4_recall"])
    assert use_of(["accuracy"])[:2] == ("clip", "a probability")
    assert use_of(["sdr", "real"])[:2] == ("window", "a value of a stem")


def test_what_is_undefined_is_a_dash() -> None:
    loss = MEASURES["log_loss"]
    assert (loss.number(None), loss.spread(None)) == ("–", "–")
    assert loss.plus_minus(None, (1.0, 2.0)) == "–"
    assert loss.plus_minus(1.0, None) == "1.000"


def test_headlines_keep_their_order_and_leave_out_the_rest() -> None:
    found = headline_measures(["log_loss_micro", "log_loss", "unheard_of", "accuracy", "log_loss"])
    assert [measure.key for measure in found] == ["accuracy", "log_loss"]


def test_measures_of_words_come_first_the_divergence_then_recalls_by_number() -> None:
    found = headline_measures(
        ["top10_recall", "ece", "top4_recall", "kl_uniform", "kl", "top_recall"]
    )
    assert [measure.key for measure in found] == ["kl", "top4_recall", "top10_recall"]
    assert not found[0].higher_is_better and found[0].number(1.3114) == "1.311"
    assert found[1].heading == "Top-4 recall %" and found[1].number(0.5471) == "54.7"
    assert MEASURES["ece"].number(0.00123) == "0.0012"


def test_a_name_within_a_sentence_keeps_its_abbreviation() -> None:
    assert MEASURES["kl"].in_text == "KL divergence"
    assert MEASURES["log_loss"].in_text == "log loss"


def test_measures_of_events_open_with_the_two_scores_that_rank() -> None:
    found = headline_measures(
        ["event_f1_macro", "psds_scenario2_50", "psds_scenario2", "psds_scenario1"]
    )
    keys = [measure.key for measure in found]
    assert keys == ["psds_scenario1", "psds_scenario2", "event_f1_macro"]
    assert MEASURES["event_f1_macro"].heading == "Event F1 %"
    assert MEASURES["psds_scenario1"].in_text == "PSDS 1"
