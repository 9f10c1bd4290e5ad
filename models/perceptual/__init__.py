"""Networks that judge a face as a person would: which emotion it shows, which sound its mouth makes."""
