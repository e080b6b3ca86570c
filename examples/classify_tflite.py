"""Classify a 16-bit wav file by a file that takes samples; needs NumPy and LiteRT alone.

pip install numpy ai-edge-litert && python classify_tflite.py model_int8_samples.tflite street.wav
"""

import json
import sys
import wave
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

model_path, wav_path = sys.argv[1:]
model = schema.Model.GetRootAs(Path(model_path).read_bytes(), 0)
entries = [model.Metadata(index) for index in range(model.MetadataLength())]
(buffer,) = (entry.Buffer() for entry in entries if entry.Name() == b"dcase_keras_pipeline")
about = json.loads(model.Buffers(buffer).DataAsNumpy().tobytes())  # classes, audio, features ...

with wave.open(wav_path) as file:
    rate, width, channels = file.getframerate(), file.getsampwidth(), file.getnchannels()
    if (8 * width, rate) != (wanted := (16, about["audio"]["sample_rate"])):
        sys.exit(f"{wav_path}: bits and hertz must be {wanted}, they are {(8 * width, rate)}")
    frames = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, channels)
samples = frames.mean(axis=1, dtype=np.float32) / 32768  # mono, from -1 to 1

network = Interpreter(model_path)
network.allocate_tensors()
(taken,), (given,) = network.get_input_details(), network.get_output_details()
length = taken["shape"][1]
parts = [samples[first : first + length] for first in range(0, len(samples), length)]
found = []
for part in parts:  # one clip's length at a time, the last filled up with zeros
    network.set_tensor(taken["index"], np.pad(part, (0, length - len(part)))[np.newaxis])
    network.invoke()
    found.append(network.get_tensor(given["index"])[0])
probabilities = np.average(found, axis=0, weights=[len(part) for part in parts])
for best in np.argsort(-probabilities)[:3]:
    print(f"{probabilities[best]:.3f} {about['classes'][best]}")  # noqa: T201
