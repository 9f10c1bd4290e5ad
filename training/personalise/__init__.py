"""What a minute of one person teaches about how the shipped networks read them: `python -m training.personalise`."""
