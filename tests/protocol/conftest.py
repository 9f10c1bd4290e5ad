"""Property tests here do not depend on the machine's speed, and find the same every time."""

from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")
