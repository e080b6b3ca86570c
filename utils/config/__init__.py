"""task.yaml to checked, frozen settings; every error names file, line and YAML path."""

from utils.config.resolve import Catalogue, Resolved, load, overridden

__all__ = ["Catalogue", "Resolved", "load", "overridden"]
