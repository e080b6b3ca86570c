"""Files of networks, what they say, and how far a simulation says the same."""

import numpy as np

from utils.export import export_formats
from utils.inference.metadata import Metadata

METADATA = Metadata(
    set_id="toy", classes=tuple("abcd"), audio={}, features={}, normaliser=None, data="toy"
)


def some_clips(count, shape, seed=0):
    return np.random.default_rng(seed).standard_normal((count, *shape)).astype(np.float32)


def exported(model, folder):
    """Bytes of a network in int8 and in float32."""
    paths = export_formats(
        model,
        calibration=some_clips(50, model.input_shape[1:]),
        folder=folder,
        formats=("int8", "float32"),
        metadata=METADATA,
    )
    return paths["int8"].read_bytes(), paths["float32"].read_bytes()


def said(content, inputs):
    """What a file gives, int (clips, classes), and the scale and zero point of it."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, point = taken["quantization"]
    numbers = np.clip(np.round(inputs / scale) + point, -128, 127).astype(np.int8)
    found = []
    for clip in numbers:
        interpreter.set_tensor(taken["index"], clip[np.newaxis])
        interpreter.invoke()
        found.append(interpreter.get_tensor(given["index"])[0].astype(int))
    return np.stack(found), given["quantization"]


def differences(simulation, content, inputs):
    """By how many of 256 steps the outputs of simulation and file differ."""
    by_file, (scale, point) = said(content, inputs)
    return np.abs(np.round(np.asarray(simulation(inputs)) / scale + point) - by_file)
