"""What a network costs, as results.json holds it."""

from typing import TYPE_CHECKING

from models import complexity
from utils.report.results import LayerFacts, ModelFacts

if TYPE_CHECKING:
    import keras


def model_facts(model: "keras.Model") -> ModelFacts:
    """Count a network's parameters, operations and activations."""
    counted = complexity.count(model)
    return ModelFacts(
        parameters=counted.parameters,
        trainable=counted.trainable,
        non_zero=counted.non_zero,
        macs=counted.macs,
        keras_float16_bytes=counted.keras_float16_bytes,
        peak_activation_bytes=counted.peak_activation_bytes,
        layers=tuple(
            LayerFacts(
                name=layer.name,
                kind=layer.kind,
                output_shape=layer.output_shape,
                parameters=layer.parameters,
                macs=layer.macs,
            )
            for layer in counted.layers
        ),
    )


def uncounted(model: ModelFacts) -> tuple[str, ...]:
    """A note that names the layers whose operations are missing from the sum."""
    names = ", ".join(layer.name for layer in model.layers if layer.macs is None)
    return (f"The operations of these layers could not be counted: {names}.",) if names else ()
