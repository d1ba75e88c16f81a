"""How the layers of the language model attend to the pool: the seam, and what stands behind it."""
