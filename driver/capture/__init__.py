"""Where pictures and sound come from: devices, files, streams."""
