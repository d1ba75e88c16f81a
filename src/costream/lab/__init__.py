"""What measures and teaches, and is no part of the product: evaluate, synth, train, inspect."""
