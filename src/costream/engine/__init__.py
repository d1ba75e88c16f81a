"""Windows over many streams, the KV pool that they share, and the answers."""
