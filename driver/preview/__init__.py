"""The page of `--preview`: the head, every channel, what the camera sees if asked, things to turn. Made with viser."""
