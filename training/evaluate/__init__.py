"""How good the product is: on clips, on synthetic truth, against references."""
