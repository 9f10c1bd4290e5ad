"""The head: FLAME's forward pass, the shipped open head, ARKit both ways. Numpy only; `picture` alone draws."""
