"""Classify a PCM wav file by a .tflite file that takes samples; needs NumPy and LiteRT alone.

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
goes_on = {"zeros": "constant", "loop": "wrap", "reflect": "reflect"}[about["audio"]["short_clips"]]

with wave.open(wav_path) as file:
    channels, width, rate, count, *_ = file.getparams()
    if rate != (wanted := about["audio"]["sample_rate"]) or width not in (2, 3, 4) or not count:
        sys.exit(f"{wav_path}: must be {wanted} Hz, 16 bits or more; is {file.getparams()}")
    parts = np.frombuffer(file.readframes(count), np.uint8).reshape(-1, width)
whole = np.pad(parts, [(0, 0), (4 - width, 0)]).view("<i4").reshape(-1, channels)  # 32 bits
samples = whole.mean(axis=1).astype(np.float32) / 2**31  # mono, from -1 to 1

(network := Interpreter(model_path)).allocate_tensors()
(taken,), (given,) = network.get_input_details(), network.get_output_details()
length, found = taken["shape"][1], []
parts = [samples[first : first + length] for first in range(0, len(samples), length)]
for part in parts:  # one clip's length at a time, the last one goes on as clips do
    network.set_tensor(taken["index"], np.pad(part, (0, length - len(part)), goes_on)[np.newaxis])
    network.invoke()
    found.append(network.get_tensor(given["index"])[0])
probabilities = np.average(found, axis=0, weights=[len(part) for part in parts])
for best in np.argsort(-probabilities)[:3]:
    print(f"{probabilities[best]:.3f} {about['classes'][best]}")  # noqa: T201
