"""Where frames go: one file for each kind of transport, behind one small role (`driver.sinks.sink.Sink`)."""
