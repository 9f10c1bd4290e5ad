using UnityEngine;

namespace AvatarDriver
{
    /// <summary>
    /// Turns the bones of neck, head, jaw and eyes. The object that it is on must look along its own +Z.
    /// </summary>
    [AddComponentMenu("Avatar Driver/Head And Eyes")]
    public sealed class HeadAndEyes : FaceWearer
    {
        [Header("Bones (each may be left empty)")]
        [SerializeField] Transform neck;
        [SerializeField] Transform head;
        [SerializeField, Tooltip("Leave empty when the mesh has jawOpen, or the mouth opens twice.")]
        Transform jaw;
        [SerializeField] Transform leftEye;
        [SerializeField] Transform rightEye;

        [SerializeField, Range(0f, 1f), Tooltip("The neck's part of the head's rotation, if there is a neck.")]
        float neckShare = 0.5f;

        [SerializeField, Range(0f, 2f)] float headGain = 1f;
        [SerializeField, Range(0f, 2f)] float eyeGain = 1f;

        BoneBinding _neck, _head, _jaw, _leftEye, _rightEye;

        /// <summary>Set the bones of an avatar that was loaded while the game runs, at rest; each may be null.</summary>
        public void Bind(
            Transform neckBone, Transform headBone, Transform jawBone, Transform leftEyeBone, Transform rightEyeBone)
        {
            neck = neckBone;
            head = headBone;
            jaw = jawBone;
            leftEye = leftEyeBone;
            rightEye = rightEyeBone;
            FindParts();
        }

        public override void FindParts()
        {
            _neck = BoneBinding.For(neck, transform);
            _head = BoneBinding.For(head, transform);
            _jaw = BoneBinding.For(jaw, transform);
            _leftEye = BoneBinding.For(leftEye, transform);
            _rightEye = BoneBinding.For(rightEye, transform);
        }

        public override void Show(FaceFrame frame, float presence)
        {
            // The shares are of one rotation about one axis, so that neck and head together make the whole of it.
            var turn = AxisConversion.HeadRotation(frame, headGain * presence);
            float share = _neck == null ? 0f : neckShare;
            _neck?.Set(turn, share);
            _head?.Set(turn, 1f - share);
            _jaw?.Set(AxisConversion.JawRotation(frame), presence);
            _leftEye?.Set(AxisConversion.LeftEyeRotation(frame, eyeGain), presence);
            _rightEye?.Set(AxisConversion.RightEyeRotation(frame, eyeGain), presence);
        }
    }
}
