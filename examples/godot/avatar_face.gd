# Receives a face from `avatar-driver --out osc://` and lets an avatar wear it. Written for Godot 3 and 4 alike: copy this
# file and osc_reader.gd into a project, add a Node with this script, and choose `avatar` in the inspector.
extends Node

# A whole frame has come and is on the avatar. Its keys: seq, capture_ns, publish_ns, head, and the names in PARTS.
signal frame_received(frame)

# ARKit's names in the order of /avatar/arkit.
const ARKIT_SHAPES = [
	"eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft", "eyeSquintLeft", "eyeWideLeft",
	"eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight", "eyeSquintRight",
	"eyeWideRight", "jawForward", "jawLeft", "jawRight", "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft",
	"mouthRight", "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight", "mouthDimpleLeft",
	"mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower",
	"mouthShrugUpper", "mouthPressLeft", "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft",
	"mouthUpperUpRight", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
	"cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut",
]
# What each address carries, and how many numbers.
const PARTS = {
	"/avatar/arkit": 52, "/avatar/expression": 50, "/avatar/jaw": 3, "/avatar/eyelids": 2, "/avatar/gaze": 4,
	"/avatar/head": 6, "/avatar/voice": 2, "/avatar/emotion": 2, "/avatar/confidence": 4, "/avatar/shape": 100,
	"/avatar/detail": 128,
}
# Our head has one more shape, which keeps the chin on its arc while the jaw opens.
const JAW_OPEN = 17
const JAW_ARC = "jawOpenArc"
const OscReader = preload("osc_reader.gd")

# Where to listen. "*" hears other machines too: packets are not encrypted.
var address = "127.0.0.1"
var port = 9010
# The node under which every mesh with ARKit's blend shapes wears the face.
var avatar = NodePath("..")
# The node that turns with the head; empty: none. It must look along +Z.
var turning_node = NodePath("")
# How many frames have come, how many the numbers say are lost, how many packets were no OSC of ours.
var received = 0
var lost = 0
var damaged = 0
# The time since the last frame, in s. The driver never falls silent while it runs: above 1, it has stopped.
var silence_s = 0.0

var _udp = PacketPeerUDP.new()
var _parts = {}
var _last_seq = -1
var _wearing = null  # [mesh, property, index of the shape], found with the first frame
var _turning = null
var _rest_basis = Basis()


func _ready():
	# Godot 3 calls it listen, Godot 4 bind.
	var error = _udp.call("bind" if _udp.has_method("bind") else "listen", port, address)
	if error != OK:
		push_error("port %d of %s cannot be opened (error %d): is another receiver running?" % [port, address, error])


func _process(delta):
	silence_s += delta
	while _udp.get_available_packet_count() > 0:
		_take(_udp.get_packet())


func _exit_tree():
	_udp.close()


func _take(packet):
	var messages = OscReader.parse(packet)
	if messages == null:
		damaged += 1
		if damaged == 1:
			push_warning("a packet on port %d is no OSC; more like it are only counted" % port)
		return
	for message in messages:
		if message[0] == "/avatar/frame" and message[1].size() == 4:
			_complete(message[1])
		elif PARTS.has(message[0]) and message[1].size() == PARTS[message[0]]:
			_parts[message[0]] = message[1]


func _complete(stamps):
	if stamps[0] > _last_seq + 1 and _last_seq >= 0:
		lost += stamps[0] - _last_seq - 1
	_last_seq = stamps[0]
	received += 1
	silence_s = 0.0
	var frame = {"seq": stamps[0], "capture_ns": stamps[1], "publish_ns": stamps[2], "head": stamps[3]}
	for part in _parts:
		frame[part] = _parts[part]
	_wear(frame)
	emit_signal("frame_received", frame)


func _wear(frame):
	if _wearing == null:
		_wearing = []
		_find_shapes(get_node(avatar))
		if not turning_node.is_empty():
			_turning = get_node(turning_node)
			_rest_basis = _turning.transform.basis
	if frame.has("/avatar/arkit"):
		var weights = frame["/avatar/arkit"]
		var opening = weights[JAW_OPEN]
		for one in _wearing:
			one[0].set(one[1], weights[one[2]] if one[2] >= 0 else 4.0 * opening * (1.0 - opening))
	if frame.has("/avatar/head") and _turning != null:
		var numbers = frame["/avatar/head"]
		_turning.transform.basis = _rotation(Vector3(numbers[0], numbers[1], numbers[2])) * _rest_basis


# Godot's axes are the wire's: right-handed, +Y up; the face looks along +Z and the subject's left is +X.
func _rotation(axis_angle):
	var angle = axis_angle.length()
	return Basis(axis_angle / angle, angle) if angle > 0.000001 else Basis()


# Blend shapes are properties in both versions; names may begin with a small or a capital letter.
func _find_shapes(node):
	for property in node.get_property_list():
		if property.name.begins_with("blend_shapes/"):
			var shape = property.name.trim_prefix("blend_shapes/")
			var index = ARKIT_SHAPES.find(shape.substr(0, 1).to_lower() + shape.substr(1))
			if index >= 0 or shape == JAW_ARC:
				_wearing.append([node, property.name, index])
	for child in node.get_children():
		_find_shapes(child)


# What the inspector shows: Godot 3 and 4 have different keywords for it, but both ask this.
func _get_property_list():
	return [
		{"name": "address", "type": TYPE_STRING},
		{"name": "port", "type": TYPE_INT},
		{"name": "avatar", "type": TYPE_NODE_PATH},
		{"name": "turning_node", "type": TYPE_NODE_PATH},
	]
