"""Scores as pure NumPy functions of truth and prediction, and their bootstrap intervals."""
