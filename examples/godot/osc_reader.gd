# Reads OSC 1.0 packets: messages, and bundles of messages. Written for Godot 3 and 4 alike.

const MOST_NESTED = 8


# The messages of a packet in order, each as [address, [arguments]]; null when the packet breaks a rule.
static func parse(packet):
	var stream = StreamPeerBuffer.new()
	stream.big_endian = true
	stream.data_array = packet
	var messages = []
	if not _read_element(stream, packet.size(), messages, 0):
		return null
	return messages


static func _read_element(stream, end, messages, depth):
	var address = _read_string(stream, end)
	if address == "#bundle":
		return _read_bundle(stream, end, messages, depth)
	if address == null or not address.begins_with("/"):
		return false
	var tags = _read_string(stream, end)
	if tags == null or not tags.begins_with(","):
		return false
	var arguments = []
	for index in range(1, tags.length()):
		var left = end - stream.get_position()
		var tag = tags[index]
		if (tag in ["f", "i"] and left < 4) or (tag in ["h", "d"] and left < 8):
			return false
		match tag:
			"f":
				arguments.append(stream.get_float())
			"i":
				arguments.append(stream.get_32())
			"h":
				arguments.append(stream.get_64())
			"d":
				arguments.append(stream.get_double())
			"T", "F":
				arguments.append(tag == "T")
			"s":
				var text = _read_string(stream, end)
				if text == null:
					return false
				arguments.append(text)
			_:
				return false
	messages.append([address, arguments])
	return stream.get_position() == end


static func _read_bundle(stream, end, messages, depth):
	if depth == MOST_NESTED or end - stream.get_position() < 8:
		return false
	stream.get_64()  # when to apply it: at once, always
	while end - stream.get_position() >= 4:
		var size = stream.get_32()
		if size <= 0 or size % 4 != 0 or size > end - stream.get_position():
			return false
		if not _read_element(stream, stream.get_position() + size, messages, depth + 1):
			return false
	return stream.get_position() == end


# Characters up to a zero, which fills up to a multiple of four bytes; null when there is no zero.
static func _read_string(stream, end):
	var start = stream.get_position()
	while stream.get_position() < end:
		if stream.get_u8() == 0:
			var length = stream.get_position() - start - 1
			var padded = start + (length / 4 + 1) * 4
			if padded > end:
				return null
			stream.seek(start)
			var text = stream.get_data(length)[1].get_string_from_ascii() if length > 0 else ""
			stream.seek(padded)
			return text
	return null
