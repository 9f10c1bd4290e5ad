# Loads head.glb, which `avatar-driver head export head.glb` writes, as a mesh with its 53 blend shapes.
#
# Only for Godot 3, whose importer does not read sparse accessors, and only for that file: one buffer, whole views,
# float positions and normals. Godot 4 imports the file by itself.
extends MeshInstance

export var file = "res://head.glb"

var _document = {}
var _stream = StreamPeerBuffer.new()
var _binary_start = 0


func _ready():
	if not _open():
		push_error("%s is missing or no .glb file; run: avatar-driver head export head.glb" % file)
		return
	var source = _document["meshes"][0]
	var loaded = ArrayMesh.new()
	loaded.blend_shape_mode = Mesh.BLEND_SHAPE_MODE_NORMALIZED
	for name in source["extras"]["targetNames"]:
		loaded.add_blend_shape(name)
	for primitive in source["primitives"]:
		var arrays = _arrays(primitive)
		loaded.add_surface_from_arrays(Mesh.PRIMITIVE_TRIANGLES, arrays, _shapes(primitive, arrays), 0)
	mesh = loaded
	var materials = _document["materials"]
	for index in range(mesh.get_surface_count()):
		mesh.surface_set_material(index, _material(materials[source["primitives"][index]["material"]]))


func _open():
	var input = File.new()
	if input.open(file, File.READ) != OK or input.get_32() != 0x46546C67:
		return false
	input.seek(12)
	var length = input.get_32()
	input.seek(20)
	_document = parse_json(input.get_buffer(length).get_string_from_utf8())
	input.seek(0)
	_stream.data_array = input.get_buffer(input.get_len())
	_binary_start = 20 + length + 8
	return true


func _arrays(primitive):
	var arrays = []
	arrays.resize(Mesh.ARRAY_MAX)
	var attributes = primitive["attributes"]
	arrays[Mesh.ARRAY_VERTEX] = PoolVector3Array(_vectors(attributes["POSITION"]))
	arrays[Mesh.ARRAY_NORMAL] = PoolVector3Array(_vectors(attributes["NORMAL"]))
	if attributes.has("TEXCOORD_0"):
		arrays[Mesh.ARRAY_TEX_UV] = PoolVector2Array(_vectors(attributes["TEXCOORD_0"]))
	var corners = _numbers(_document["accessors"][primitive["indices"]])
	for corner in range(0, corners.size(), 3):  # Godot's front faces turn the other way round
		var second = corners[corner + 1]
		corners[corner + 1] = corners[corner + 2]
		corners[corner + 2] = second
	arrays[Mesh.ARRAY_INDEX] = PoolIntArray(corners)
	return arrays


func _shapes(primitive, arrays):
	var shapes = []
	for target in primitive["targets"]:
		var shape = arrays.duplicate()
		shape[Mesh.ARRAY_INDEX] = null
		shape[Mesh.ARRAY_VERTEX] = _moved(arrays[Mesh.ARRAY_VERTEX], target["POSITION"])
		shape[Mesh.ARRAY_NORMAL] = _moved(arrays[Mesh.ARRAY_NORMAL], target["NORMAL"])
		shapes.append(shape)
	return shapes


# `rest` with what a sparse accessor adds to some of its rows.
func _moved(rest, index):
	var accessor = _document["accessors"][index]
	if not accessor.has("sparse"):
		return rest
	var sparse = accessor["sparse"]
	var rows = _numbers({"bufferView": sparse["indices"]["bufferView"], "count": sparse["count"],
		"componentType": sparse["indices"]["componentType"]})
	_seek(sparse["values"]["bufferView"])
	for row in rows:
		rest[row] += Vector3(_stream.get_float(), _stream.get_float(), _stream.get_float())
	return rest


func _vectors(index):
	var accessor = _document["accessors"][index]
	_seek(accessor["bufferView"])
	var vectors = []
	for _row in range(accessor["count"]):
		if accessor["type"] == "VEC2":
			vectors.append(Vector2(_stream.get_float(), _stream.get_float()))
		else:
			vectors.append(Vector3(_stream.get_float(), _stream.get_float(), _stream.get_float()))
	return vectors


func _numbers(accessor):
	_seek(accessor["bufferView"])
	var numbers = []
	for _row in range(accessor["count"]):
		numbers.append(_stream.get_u16() if accessor["componentType"] == 5123 else _stream.get_u32())
	return numbers


func _seek(view):
	_stream.seek(_binary_start + _document["bufferViews"][view]["byteOffset"])


func _material(source):
	var surface = source["pbrMetallicRoughness"]
	var material = SpatialMaterial.new()
	material.params_cull_mode = SpatialMaterial.CULL_DISABLED
	material.roughness = surface["roughnessFactor"]
	material.metallic = surface["metallicFactor"]
	if surface.has("baseColorFactor"):
		var color = surface["baseColorFactor"]
		material.albedo_color = Color(color[0], color[1], color[2])
	if surface.has("baseColorTexture"):
		material.albedo_texture = _texture()
	return material


# The file's only picture.
func _texture():
	var view = _document["bufferViews"][_document["images"][0]["bufferView"]]
	_stream.seek(_binary_start + view["byteOffset"])
	var image = Image.new()
	image.load_jpg_from_buffer(_stream.get_data(view["byteLength"])[1])
	var texture = ImageTexture.new()
	texture.create_from_image(image)
	return texture
