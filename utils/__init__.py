"""The stages of the pipeline, one module or sub-package each; docs/design.md has their order."""
