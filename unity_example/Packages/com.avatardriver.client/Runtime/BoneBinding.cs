using UnityEngine;

namespace AvatarDriver
{
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

        /// <summary>Turn the bone by <paramref name="share"/> of a rotation, away from its rest.</summary>
        public void Set(Quaternion rotation, float share)
        {
            if (_bone == null)
                return;
            var part = Quaternion.Slerp(Quaternion.identity, rotation, share);
            _bone.localRotation = _avatarToParent * part * Quaternion.Inverse(_avatarToParent) * _rest;
        }
    }
}
