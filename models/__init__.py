"""What Keras builds: layers, losses, the builder, and how large a network is."""
