"""Networks that rebuild a face from its pictures, as the systems do that this project is named after. Torch only."""
