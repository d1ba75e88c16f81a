"""Windows over a stream, a KV store that outlives them, and the answers."""
