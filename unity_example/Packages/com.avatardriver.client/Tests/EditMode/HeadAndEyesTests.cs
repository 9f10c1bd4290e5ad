using NUnit.Framework;
using UnityEngine;

namespace AvatarDriver.Tests
{
    public class HeadAndEyesTests
    {
        Transform _avatar, _neck, _head;
        FaceFrame _frame;
        HeadAndEyes _bones;

        [Test]
        public void ABoneIsTurnedAboutTheAvatarsAxes()
        {
            Build();
            var rest = _head.rotation;
            _bones.Bind(null, _head, null, null, null);
            _bones.Show(_frame, 1f);
            AreSame(Turned() * rest, _head.rotation);
            _bones.Show(_frame, 0f);
            AreSame(rest, _head.rotation);
            Object.DestroyImmediate(_avatar.gameObject);
        }

        [Test]
        public void NeckAndHeadTogetherMakeTheWholeTurn()
        {
            Build();
            var rest = _head.rotation;
            var restOfNeck = _neck.rotation;
            _bones.Bind(_neck, _head, null, null, null);
            _bones.Show(_frame, 1f);
            AreSame(Turned() * rest, _head.rotation);
            var half = AxisConversion.HeadRotation(_frame, 0.5f);
            AreSame(_avatar.rotation * half * Quaternion.Inverse(_avatar.rotation) * restOfNeck, _neck.rotation);
            Object.DestroyImmediate(_avatar.gameObject);
        }

        void Build()
        {
            _avatar = new GameObject("avatar").transform;
            _neck = new GameObject("neck").transform;
            _head = new GameObject("head").transform;
            _neck.SetParent(_avatar, false);
            _head.SetParent(_neck, false);
            // Bones whose own axes point anywhere, on an avatar that faces anywhere.
            _avatar.rotation = AxisConversion.Rotation(0f, 1.1f, 0f);
            _neck.localRotation = AxisConversion.Rotation(0.3f, 0.4f, 1.2f);
            _head.localRotation = AxisConversion.Rotation(-0.7f, 0.2f, 0.5f);
            _frame = new FaceFrame();
            new FrameReader().Read(GoldenPackets.FaceWink, 0, GoldenPackets.FaceWink.Length, _frame);
            _bones = _avatar.gameObject.AddComponent<HeadAndEyes>();
        }

        Quaternion Turned() =>
            _avatar.rotation * AxisConversion.HeadRotation(_frame) * Quaternion.Inverse(_avatar.rotation);

        static void AreSame(Quaternion expected, Quaternion actual)
        {
            float cosine = expected.x * actual.x + expected.y * actual.y + expected.z * actual.z + expected.w * actual.w;
            Assert.AreEqual(1f, Mathf.Abs(cosine), 1e-5f);
        }
    }
}
