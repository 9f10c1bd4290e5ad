"""Many voices in one process: sound comes in over TCP and WebSocket, one graph call a hop, a face out for each."""
