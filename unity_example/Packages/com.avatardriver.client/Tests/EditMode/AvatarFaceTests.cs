using NUnit.Framework;
using UnityEngine;

namespace AvatarDriver.Tests
{
    public class AvatarFaceTests
    {
        [Test]
        public void ABoneIsTurnedAboutTheAvatarsAxes()
        {
            var avatar = new GameObject("avatar").transform;
            var neck = new GameObject("neck").transform;
            var head = new GameObject("head").transform;
            neck.SetParent(avatar, false);
            head.SetParent(neck, false);
            // Bones whose own axes point anywhere, on an avatar that faces anywhere.
            avatar.rotation = AxisConversion.Rotation(0f, 1.1f, 0f);
            neck.localRotation = AxisConversion.Rotation(0.3f, 0.4f, 1.2f);
            head.localRotation = AxisConversion.Rotation(-0.7f, 0.2f, 0.5f);
            var rest = head.rotation;
            var frame = new FaceFrame();
            new FrameReader().Read(GoldenPackets.FaceWink, 0, GoldenPackets.FaceWink.Length, frame);

            var face = avatar.gameObject.AddComponent<AvatarFace>();
            face.Bind(null, new SkinnedMeshRenderer[0], head, null, null, null);
            face.Show(frame, 1f);

            var expected = avatar.rotation * AxisConversion.HeadRotation(frame) * Quaternion.Inverse(avatar.rotation) * rest;
            AreSame(expected, head.rotation);
            face.Show(frame, 0f);
            AreSame(rest, head.rotation);
            Object.DestroyImmediate(avatar.gameObject);
        }

        static void AreSame(Quaternion expected, Quaternion actual)
        {
            float cosine = expected.x * actual.x + expected.y * actual.y + expected.z * actual.z + expected.w * actual.w;
            Assert.AreEqual(1f, Mathf.Abs(cosine), 1e-5f);
        }
    }
}
