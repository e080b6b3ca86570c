"""How far do an int8 file, its simulation and the two sets of TensorFlow Lite's kernels agree?

    python -m benchmarks.int8_agreement [SET ...]

Builds networks of task.yaml with random weights and writes them as int8 files. Every operator of a
simulation is given what the file's operator was given, by the kernels that run by default
(XNNPACK); a Markdown row for each kind tells how many of its numbers are others. The last rows tell
how far apart the ends of the whole networks are, as root mean square in steps of the int8 output:
the simulation, the kernels without XNNPACK, and the network that was not rounded, each against the
file with XNNPACK.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from benchmarks.pipeline import TASK, scene_network
from utils.compression.graph import Graph, Tensor
from utils.compression.simulation import Simulation
from utils.config import load
from utils.export import converted
from utils.inference.metadata import packed

SETS = ("task1a", "task1a_bcresnet", "task1a_cpmobile", "task1a_dscnn")
FED, CALIBRATION, CLIPS = 16, 32, 4  # clips for batch normalisation, ranges, and the comparison
INT8 = 9  # number of the type in the schema
XNNPACK = OpResolverType.AUTO
OWN = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES


def main() -> None:
    """Print a table for each network."""
    parser = argparse.ArgumentParser(description="Agreement of int8 files and simulations.")
    parser.add_argument("sets", nargs="*", default=SETS, help="sets of task.yaml")
    for set_id in parser.parse_args().sets:
        model, clips = network(set_id)
        files = converted(
            model, calibration=clips[:CALIBRATION], formats=("int8", "float32"), folder=Path()
        )
        simulation = Simulation(Graph.of(files["int8"], files["float32"]))
        print(f"\n{set_id}, {len(simulation.graph.operators)} operators\n")
        compare_operators(simulation, files["int8"], clips[-CLIPS:])
        compare_ends(simulation, files, clips[-CLIPS:])


def network(set_id: str) -> tuple[Any, np.ndarray]:
    """A network with random weights and statistics of noise, and such noise."""
    model, representation = scene_network(load(TASK).resolve(set_id))
    shape = (CALIBRATION + CLIPS, *representation.input_shape)
    clips = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    model(clips[:FED], training=True)
    return model, clips


def compare_operators(simulation: Simulation, content: bytes, clips: np.ndarray) -> None:
    """A row for each kind of operator: how many numbers are others, and by how many steps."""
    graph = simulation.graph
    counts: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(3))
    places = [graph.input, *(op.output for op in graph.operators)]
    for numbers in said(content, clips, XNNPACK, places):
        values = {place: real(graph.tensors[place], found) for place, found in numbers.items()}
        for op in graph.operators:
            tensor = graph.tensors[op.output]
            scale, point = float(tensor.scales[0]), tensor.zero_point
            simulated = np.round(np.asarray(simulation.computed(op, values)) / scale) + point
            steps = np.abs(simulated - numbers[op.output])
            counts[op.kind] += (steps.size, np.count_nonzero(steps), 0)
            counts[op.kind][2] = max(counts[op.kind][2], steps.max())
    print("| operator | numbers | others, % | at most, steps |\n|---|---|---|---|")
    for kind, (size, other, most) in sorted(counts.items()):
        print(f"| {kind} | {size:,.0f} | {100 * other / size:.3f} | {most:.0f} |")


def compare_ends(simulation: Simulation, files: dict[str, bytes], clips: np.ndarray) -> None:
    """Root mean square differences at the end, in steps of the output."""
    tensor = simulation.graph.tensors[simulation.graph.output]

    def end(content: bytes, kernels: OpResolverType) -> np.ndarray:
        return np.concatenate(
            [found for told in said(content, clips, kernels) for found in told.values()]
        )

    file = real(tensor, end(files["int8"], XNNPACK))
    others = {
        "simulation": np.asarray(simulation(clips)),
        "without XNNPACK": real(tensor, end(files["int8"], OWN)),
        "not rounded": end(files["float32"], XNNPACK),
    }
    print("\n| end of the network | steps |\n|---|---|")
    for name, found in others.items():
        steps = (found - file) / float(tensor.scales[0])
        print(f"| {name} | {np.sqrt(np.mean(np.square(steps))):.2f} |")


def said(
    content: bytes, clips: np.ndarray, kernels: OpResolverType, places: Sequence[int] = ()
) -> Iterator[dict[int, np.ndarray]]:
    """What a file computes of each clip at some places, or at its end, as the numbers there."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    (taken,) = graph.inputs
    places = places or [int(place) for place in graph.outputs]
    graph.outputs = [place for place in places if place != taken]
    interpreter = Interpreter(model_content=packed(model), experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    if graph.tensors[taken].type == INT8:
        scale, point = interpreter.get_input_details()[0]["quantization"]
        clips = np.clip(np.round(clips / scale) + point, -128, 127).astype(np.int8)
    for clip in clips:
        interpreter.set_tensor(taken, clip[np.newaxis])
        interpreter.invoke()
        yield {place: interpreter.get_tensor(place) for place in places}


def real(tensor: Tensor, numbers: np.ndarray) -> np.ndarray:
    """What int8 numbers stand for."""
    return (numbers.astype(np.float32) - tensor.zero_point) * np.float32(tensor.scales[0])


if __name__ == "__main__":
    main()
