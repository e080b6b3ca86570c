"""Section of task.yaml on making a trained network smaller by further trainings."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from utils.config.fields import Count, Section, misplaced

Share = Annotated[float, Field(gt=0.0, lt=1.0)]


class FurtherSettings(Section):
    """A training that follows `training`: of the same clips, augmented and judged as there."""

    epochs: Count = Field(10, description="of the training clips, after those of `training`")
    optimizer: dict[str, dict[str, Any]] = Field(
        default_factory=lambda: {"Adam": {"learning_rate": 0.0001}},
        description="as `training.optimizer`; its rate falls to 0 by half a cosine",
    )


class ChannelSettings(FurtherSettings):
    """Structured pruning: a narrower network, trained further."""

    share: Share = Field(
        0.3,
        description="of the filters and units of each layer, the weakest, rounded down; layers "
        "whose outputs are added lose the same ones; kept are outputs, and what meets a layer of "
        "which is not known what it makes of single channels",
    )
    epochs: Count = Field(20, description="of the training clips, after the cut")
    optimizer: dict[str, dict[str, Any]] = Field(
        default_factory=lambda: {"Adam": {"learning_rate": 0.0005}},
        description="as `training.optimizer`; its rate falls to 0 by half a cosine",
    )


class ZeroSettings(FurtherSettings):
    """Magnitude pruning: weights of small amplitude become zero while the network is trained."""

    share: Share = Field(
        0.5,
        description="of each kernel of a convolution or dense layer; depthwise kernels have none; "
        "`export.qat` keeps the zeros",
    )
    rise: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        0.5,
        description="part of the epochs, rounded down, in which the share rises to its last value; "
        "only the epochs after it compete for the weights that are kept; 0: all at once",
    )
    epochs: Count = Field(20, description="of the training clips")
    optimizer: dict[str, dict[str, Any]] = Field(
        default_factory=lambda: {"Adam": {"learning_rate": 0.0005}},
        description="as `training.optimizer`; its rate falls to 0 by half a cosine",
    )

    @property
    def rise_epochs(self) -> int:
        """Epochs in which the share rises; at least one is left."""
        return int(self.rise * self.epochs)


class CompressionSettings(Section):
    """Steps after the training, in this order, each a training of its own.

    The network of the last one is what is tested, exported and judged.
    """

    channels: ChannelSettings | None = Field(
        None, description="take away the least important channels; null: all stay"
    )
    zeros: ZeroSettings | None = Field(
        None,
        description="let the smallest weights become zero, which the limit of 2021 does not count; "
        "null: none",
    )

    @model_validator(mode="after")
    def some_step(self) -> "CompressionSettings":
        """Refuse a section that asks for nothing."""
        if self.channels is None and self.zeros is None:
            raise misplaced(
                "compression", "expected channels, zeros or both; null leaves the network as it is"
            )
        return self
