"""Recordings as files that other programs read: one file a format, all of them in the table of `driver.export`."""
