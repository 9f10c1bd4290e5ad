# Runs the example's scene and prints, for every frame, what the head then wears, as read back from the engine.
extends SceneTree

var _face
var _head


func _init():
	call_deferred("_start")


func _start():
	Engine.target_fps = 240
	var main = load("res://main.tscn").instance()
	_face = main.get_node("AvatarFace")
	_head = main.get_node("Head")
	_face.port = int(OS.get_environment("PROBE_PORT"))
	_face.connect("frame_received", self, "_on_frame")
	root.add_child(main)
	_say({"ready": true, "shapes": _head.mesh.get_blend_shape_count(), "surfaces": _head.mesh.get_surface_count()})


func _on_frame(frame):
	var weights = []
	for name in _face.ARKIT_SHAPES + ["jawOpenArc"]:
		weights.append(_head.get("blend_shapes/" + name))
	var basis = _head.global_transform.basis
	_say({
		"seq": frame["seq"], "publish_ns": str(frame["publish_ns"]), "id": frame["head"], "unix_ms": OS.get_system_time_msecs(),
		"weights": weights, "out": [basis.z.x, basis.z.y, basis.z.z], "left": [basis.x.x, basis.x.y, basis.x.z],
		"received": _face.received, "lost": _face.lost, "damaged": _face.damaged, "gaze": frame["/avatar/gaze"],
	})
	var picture = OS.get_environment("PROBE_PICTURE")
	if picture != "" and _face.received == 30:
		yield(VisualServer, "frame_post_draw")
		var image = root.get_texture().get_data()
		image.flip_y()
		image.save_png(picture)
		_say({"picture": picture})


func _say(what):
	print(to_json(what))
