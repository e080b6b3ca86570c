"""Frame scores of a sound event detector -> events: filters, decisions, bounding boxes, tuning."""
