"""Graphs in a row: what does not join is refused, signatures and versions follow."""

import numpy as np
import pytest

from utils.export.convert import convert
from utils.export.joining import joined


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    """Convert functions of float32 (1, count); several arguments are several inputs."""
    import tensorflow as tf

    def make(function, count, inputs=1):
        specs = [tf.TensorSpec((1, count), tf.float32)] * inputs
        trace = tf.function(function, autograph=False).get_concrete_function(*specs)
        return convert(trace, name="float32", path=tmp_path_factory.mktemp("graphs"))

    return make


def test_one_after_the_other(graphs):
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.interpreter import Interpreter

    three = (lambda x: x[:, 1:] + 1.0), (lambda x: x * 10.0), (lambda x: x - 3.0)
    files = [graphs(part, count) for part, count in zip(three, (4, 3, 3), strict=True)]
    whole = joined(*files)
    interpreter = Interpreter(model_content=whole)
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(taken["index"], np.array([[9, 0, 1, 2]], np.float32))
    interpreter.invoke()
    assert interpreter.get_tensor(given["index"]).tolist() == [[7.0, 17.0, 27.0]]
    assert len(schema.ModelT.InitFromPackedBuf(whole, 0).subgraphs) == 1


def test_signatures_and_the_least_version_follow(graphs):
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.interpreter import Interpreter

    from utils.inference.metadata import packed

    network = schema.ModelT.InitFromPackedBuf(graphs(lambda x: x * 2.0, 3), 0)
    graph, signature = network.subgraphs[0], schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
    signature.inputs, signature.outputs = [schema.TensorMapT()], [schema.TensorMapT()]
    for told, index, name in (
        (signature.inputs[0], graph.inputs[0], b"given"),
        (signature.outputs[0], graph.outputs[0], b"said"),
    ):
        told.name, told.tensorIndex = name, int(index)
    network.signatureDefs = [signature]
    whole = joined(graphs(lambda x: tf_abs_fft(x), 4), packed(network))
    run = Interpreter(model_content=whole).get_signature_runner("serving_default")
    found = run(given=np.array([[1, 0, 0, 0]], np.float32))["said"]
    np.testing.assert_allclose(found, [[2, 2, 2]])
    model = schema.ModelT.InitFromPackedBuf(whole, 0)
    (entry,) = [entry for entry in model.metadata if entry.name == b"min_runtime_version"]
    text = bytes(model.buffers[entry.buffer].data).rstrip(b"\0").decode()
    assert tuple(map(int, text.split("."))) >= (2, 2)  # RFFT2D's, more than the network's own


def tf_abs_fft(x):
    import tensorflow as tf

    return tf.abs(tf.signal.rfft(x, [4]))


def test_what_does_not_join_is_refused(graphs):
    half, twice = graphs(lambda x: x[:, ::2], 4), graphs(lambda x: x * 2.0, 3)
    with pytest.raises(ValueError, match=r"shapes \[1, 2\] and \[1, 3\] do not join"):
        joined(half, twice)
    both = graphs(lambda x, y: x + y, 3, inputs=2)
    with pytest.raises(ValueError, match="a graph of 2 inputs and 1 outputs"):
        joined(twice, both)
    with pytest.raises(ValueError, match="a graph of 2 inputs"):
        joined(both, twice)
