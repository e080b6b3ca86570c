"""task4_sed.py given what cannot work: one sentence and status 2, before any time is lost."""

import shutil

import pytest

from tests.tasks.refusals import refusal

pytest_plugins = ["tests.tasks.sed_fixtures"]
pytestmark = pytest.mark.smoke


@pytest.fixture
def refused(sed, tiny_sed, capsys):
    """Run a command that must be refused; give its sentence."""

    def run(*arguments, set_id="tiny"):
        return refusal(capsys, sed, *arguments[:2], "-s", set_id, "-p", tiny_sed, *arguments[2:])

    return run


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("training.batch_size=17", ("training.batch_size", "17", "sum of the parts, 16")),
        ("training.parts=null", ("training.parts", "clips of each kind")),
        ("training.parts.strong=0", ("training.parts.strong", "at least 1")),
        ("training.parts.week=4", ("training.parts.week", "Did you mean 'weak'")),
        ("training.teacher.decay=1.0", ("training.teacher.decay", "must be below 1")),
        ("training.teacher.distance=mae", ("training.teacher.distance", "mse")),
        ("training.folds=3", ("training.folds", "DESED has its own parts")),
        ("training.loss=kl_divergence", ("training.loss", "binary_crossentropy")),
        ("training.metrics=[accuracy]", ("training.metrics", "no effect")),
        ("training.schedule.warmup_epochs=16", ("training.schedule.warmup_epochs", "16 of 16")),
        (
            "training.select.metric=val_objektive",
            ("training.select.metric", "Did you mean 'val_objective'"),
        ),
        ("augment=[Noise]", ("augment:", "no effect on networks of sound events")),
        ("feature_augment=[Mixup]", ("feature_augment[0].Mixup", "Did you mean 'GroupMixup'")),
        (
            "feature_augment=[FilterAugment]",
            ("FilterAugment", "36 mels", "the features have 16"),
        ),
        (
            "view_augment=[TimeMask]",
            ("view_augment[0].TimeMask", "only FilterAugment may differ"),
        ),
        ("features.kind=waveform", ("features", "waveform")),
        ("features.n_fft=64", ("features", "256")),
        ("postprocess.method=mean", ("postprocess.method", "median")),
        ("postprocess.threshold=50", ("postprocess.threshold", "1")),
        ("evaluation.calibration=temperature", ("evaluation.calibration", "no effect")),
        ("evaluation.shifts_seconds=[0.0, 0.016]", ("evaluation.shifts_seconds", "no effect")),
        ("export.formats=[int8]", ("export.formats", "recurrent layer")),
        ("dataset.desed.strong=[]", ("dataset.desed.strong", "name one part")),
        ("dataset.desed.test=publik", ("dataset.desed.test", "'public'")),
        ("dataset.validation.method=group", ("dataset.validation.method", "choose 'random'")),
        ("dataset.name=dsed", ("dataset.name", "Did you mean 'desed'")),
    ],
)
def test_a_wrong_setting_names_its_place(refused, desed, tmp_path, setting, told):
    message = refused("--data", desed, "--override", setting)
    for word in told:
        assert word in message
    assert not list(tmp_path.rglob("features.npy"))


def test_views_need_a_teacher(refused, desed):
    views = "view_augment=[{FilterAugment: {min_bandwidth: 2}}]"
    message = refused("--data", desed, "--override", views, "training.teacher=null")
    assert "view_augment: has no effect" in message


NETWORKS = {
    "[Flatten, {Dense: {units: $CLASS_COUNT}}]": "its outputs are [(3,)]; sound events need strong",
    "[{AveragePooling2D: {pool_size: [16, 4]}}, {Reshape: {target_shape: [31, 1]}}, "
    "{Dense: {units: $CLASS_COUNT}}]": "its outputs are [(31, 3)]; sound events need strong",
}


@pytest.mark.parametrize(("layers", "told"), NETWORKS.items())
def test_a_network_of_one_output_is_refused(refused, desed, tiny_sed, layers, told):
    with tiny_sed.open("a") as stream:
        stream.write(f"  - {{set_id: one, based_on: tiny, model: {{use: null, layers: {layers}}}}}")
    message = refused("--data", desed, set_id="one")
    assert told in message


def test_there_are_no_ensembles(refused, desed, tiny_sed):
    with tiny_sed.open("a") as stream:
        stream.write("  - {set_id: both, based_on: tiny, ensemble: [tiny, other]}\n")
        stream.write("  - {set_id: other, based_on: tiny}\n")
    assert "has no ensembles; leave `ensemble` out" in refused("--data", desed, set_id="both")


def remove(name):
    def change(folder):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def write(name, text):
    return lambda folder: (folder / name).write_text(text)


STRONG = "metadata/train/synthetic21_train.tsv"
TRUTH = "metadata/validation/validation.tsv"
HEADER = "filename\tonset\toffset\tevent_label\n"
CLIP = "audio/train/weak/weak_3.wav"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (remove("metadata"), ("there is no folder 'metadata'", "--data")),
        (remove("audio"), ("no clip of the strong part is there",)),
        (remove("audio/train/synthetic21_train"), ("strong part", "none of its 24 files")),
        (remove(STRONG), ("strong part", "there is no table", "synthetic21_train.tsv")),
        (remove("audio/validation/validation"), ("test part", "none of its 12 files")),
        (
            remove("audio/validation/synthetic21_validation"),
            ("validation part", "dataset.desed.validation"),
        ),
        (
            write(STRONG, HEADER + "synthetic21_train_0.wav\t1.5\t1.0\tBeep\n"),
            (STRONG, "line 2", "the offset, 1 s, is before the onset, 1.5 s"),
        ),
        (write(TRUTH, HEADER + "validation_0.wav\tx\t1.0\tBeep\n"), (TRUTH, "line 2", "'x'")),
        (write(TRUTH, "filename\tonset\toffset\n"), (TRUTH, "event_label")),
        (write(CLIP, "no audio"), ("weak_3.wav", "no audio file", "audio.on_bad_audio")),
        (write(CLIP, ""), ("weak_3.wav", "empty", "audio.on_bad_audio")),
    ],
)
def test_data_that_cannot_be_used(refused, desed, tmp_path, change, told):
    data = tmp_path / "data"
    shutil.copytree(desed, data)
    change(data)
    message = refused("--data", data)
    for word in told:
        assert word in message


def test_a_folder_that_is_not_there(refused, tmp_path):
    message = refused("--data", tmp_path / "nowhere")
    assert f"{tmp_path / 'nowhere'}: there is no such folder" in message


def test_a_class_that_nothing_is_labelled_with(refused, desed):
    message = refused("--data", desed, "--override", "dataset.classes=[Beep, Buzz, Bark]")
    assert "'Whistle'" in message or "'Bark'" in message


def test_the_public_part_must_be_there_to_be_answered(refused, desed, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(desed, data, ignore=shutil.ignore_patterns("public_*.wav"))
    message = refused("-m", "eval", "--data", data)
    assert "there is no audio in audio/eval/public, whose clips -m eval answers" in message
    assert not list(tmp_path.rglob("features.npy"))


def test_the_demo_is_a_set_of_its_own(refused):
    message = refused("--override", "dataset.name=csv")
    assert "the generated demo is a 'desed' set; name the folder of the 'csv' set" in message


def test_a_model_that_is_not_there(refused, desed, tmp_path):
    clip = desed / CLIP
    assert "set tiny has no trained model yet" in refused("-m", "predict", clip)
    missing = refused("-m", "predict", clip, "--model", tmp_path / "x.keras")
    assert "x.keras: no such model file" in missing


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-m", "score"), "-m score needs --detections DIR"),
        (("-m", "score", "--detections", "x"), "-m score needs --ground_truth FILE"),
        (
            ("-m", "score", "--detections", "x", "--ground_truth", "y"),
            "-m score needs --durations FILE",
        ),
        (("-m", "score", "x.tsv"), "x.tsv: -m score takes --detections DIR, no files"),
        (("--detections", "x"), "--detections is for -m score"),
        (("--durations", "x"), "--durations is for -m score"),
        (("-m", "predict"), "-m predict needs audio files or folders"),
    ],
)
def test_an_option_that_lacks_or_would_have_no_effect_is_refused(sed, capsys, arguments, words):
    with pytest.raises(SystemExit) as left:
        sed(*arguments)
    assert left.value.code == 2
    assert words in capsys.readouterr().err
