using System.Collections.Generic;
using UnityEngine;

namespace AvatarDriver
{
    /// <summary>
    /// Shows the received face on an avatar: ARKit weights on blend shapes of the same names, and rotations on bones. It
    /// acts in LateUpdate, after animations, and fades to the avatar's rest when the sender is gone.
    /// </summary>
    [AddComponentMenu("Avatar Driver/Avatar Face")]
    public sealed class AvatarFace : MonoBehaviour
    {
        [SerializeField] FaceReceiver receiver;

        [Header("Blend shapes")]
        [SerializeField, Tooltip("Meshes with ARKit blend shapes: jawOpen, JawOpen, eyeBlink_L and the like.")]
        SkinnedMeshRenderer[] meshes = new SkinnedMeshRenderer[0];

        [SerializeField, Range(0f, 2f), Tooltip("Strength of the expression.")]
        float gain = 1f;

        [Header("Bones (each may be left empty)")]
        [SerializeField] Transform head;
        [SerializeField, Tooltip("Leave empty when the mesh has jawOpen, or the mouth opens twice.")]
        Transform jaw;
        [SerializeField] Transform leftEye;
        [SerializeField] Transform rightEye;

        [SerializeField, Min(0.01f), Tooltip("Seconds of the fade when the sender appears or is gone.")]
        float fadeSeconds = 0.3f;

        readonly List<ShapeBinding> _shapes = new List<ShapeBinding>();
        BoneBinding _head, _jaw, _leftEye, _rightEye;
        FaceFrame _frame;
        float _presence;

        /// <summary>Blend shapes that were found on the meshes.</summary>
        public int BoundShapes => _shapes.Count;

        /// <summary>Set the parts of an avatar that was loaded while the game runs. The avatar must be at rest.</summary>
        public void Bind(
            FaceReceiver from, SkinnedMeshRenderer[] onMeshes, Transform headBone, Transform jawBone,
            Transform leftEyeBone, Transform rightEyeBone)
        {
            receiver = from;
            meshes = onMeshes;
            head = headBone;
            jaw = jawBone;
            leftEye = leftEyeBone;
            rightEye = rightEyeBone;
            FindParts();
        }

        void OnEnable() => FindParts();

        void OnDisable()
        {
            _presence = 0f;
            if (_frame != null)
                Show(_frame, 0f);
        }

        void LateUpdate()
        {
            if (receiver == null)
                return;
            _presence = Mathf.MoveTowards(_presence, receiver.IsLive ? 1f : 0f, Time.deltaTime / fadeSeconds);
            _frame = receiver.Current ?? _frame;
            if (_frame != null)
                Show(_frame, _presence);
        }

        /// <summary>Show a frame, between the avatar's rest (presence 0) and the whole face (1).</summary>
        public void Show(FaceFrame frame, float presence)
        {
            foreach (var shape in _shapes)
                shape.Set(Mathf.Clamp01(frame[shape.Shape] * gain) * presence);
            _head?.Set(AxisConversion.HeadRotation(frame), presence);
            _jaw?.Set(AxisConversion.JawRotation(frame), presence);
            _leftEye?.Set(AxisConversion.LeftEyeRotation(frame), presence);
            _rightEye?.Set(AxisConversion.RightEyeRotation(frame), presence);
        }

        void FindParts()
        {
            _shapes.Clear();
            foreach (var mesh in meshes)
                if (mesh != null && mesh.sharedMesh != null)
                    FindShapes(mesh);
            _head = BoneBinding.For(head, transform);
            _jaw = BoneBinding.For(jaw, transform);
            _leftEye = BoneBinding.For(leftEye, transform);
            _rightEye = BoneBinding.For(rightEye, transform);
        }

        void FindShapes(SkinnedMeshRenderer mesh)
        {
            for (int index = 0; index < mesh.sharedMesh.blendShapeCount; index++)
                if (ShapeNames.TryFind(mesh.sharedMesh.GetBlendShapeName(index), out var shape))
                    _shapes.Add(new ShapeBinding(mesh, index, shape));
        }

        /// <summary>One blend shape of a mesh.</summary>
        sealed class ShapeBinding
        {
            public readonly ArkitShape Shape;
            readonly SkinnedMeshRenderer _mesh;
            readonly int _index;
            readonly float _fullWeight;

            public ShapeBinding(SkinnedMeshRenderer mesh, int index, ArkitShape shape)
            {
                Shape = shape;
                _mesh = mesh;
                _index = index;
                // 100 from FBX and VRM, 1 from some glTF importers.
                int frames = mesh.sharedMesh.GetBlendShapeFrameCount(index);
                _fullWeight = mesh.sharedMesh.GetBlendShapeFrameWeight(index, frames - 1);
            }

            public void Set(float weight)
            {
                if (_mesh != null)
                    _mesh.SetBlendShapeWeight(_index, weight * _fullWeight);
            }
        }

        /// <summary>One bone, whatever the directions of its own axes: rotations are about the avatar's axes at rest.</summary>
        sealed class BoneBinding
        {
            readonly Transform _bone;
            readonly Quaternion _rest;
            readonly Quaternion _avatarToParent;

            BoneBinding(Transform bone, Transform avatar)
            {
                _bone = bone;
                _rest = bone.localRotation;
                var parent = bone.parent == null ? Quaternion.identity : bone.parent.rotation;
                _avatarToParent = Quaternion.Inverse(parent) * avatar.rotation;
            }

            public static BoneBinding For(Transform bone, Transform avatar) =>
                bone == null ? null : new BoneBinding(bone, avatar);

            public void Set(Quaternion rotation, float presence)
            {
                if (_bone == null)
                    return;
                var faded = Quaternion.Slerp(Quaternion.identity, rotation, presence);
                _bone.localRotation = _avatarToParent * faded * Quaternion.Inverse(_avatarToParent) * _rest;
            }
        }
    }
}
