using NUnit.Framework;
using UnityEngine;

namespace AvatarDriver.Tests
{
    /// <summary>Each rotation about each axis as one row: where the face's left, up and out go, in Unity's axes.</summary>
    public class AxisConversionTests
    {
        const float Quarter = Mathf.PI / 2f;

        static readonly Vector3 Left = new Vector3(-1f, 0f, 0f);
        static readonly Vector3 Right = new Vector3(1f, 0f, 0f);
        static readonly Vector3 Up = new Vector3(0f, 1f, 0f);
        static readonly Vector3 Down = new Vector3(0f, -1f, 0f);
        static readonly Vector3 Out = new Vector3(0f, 0f, 1f);
        static readonly Vector3 Back = new Vector3(0f, 0f, -1f);

        static object[] Rotations()
        {
            return new object[]
            {
                new object[] { "nod down", 0, +1, Left, Out, Down },
                new object[] { "look up", 0, -1, Left, Back, Up },
                new object[] { "turn left", 1, +1, Back, Up, Left },
                new object[] { "turn right", 1, -1, Out, Up, Right },
                new object[] { "tilt right", 2, +1, Up, Right, Out },
                new object[] { "tilt left", 2, -1, Down, Left, Out },
            };
        }

        [TestCaseSource(nameof(Rotations))]
        public void QuarterTurns(string name, int axis, int sign, Vector3 left, Vector3 up, Vector3 outwards)
        {
            var rotation = AxisConversion.Rotation(
                axis == 0 ? sign * Quarter : 0f, axis == 1 ? sign * Quarter : 0f, axis == 2 ? sign * Quarter : 0f);
            AreEqual(left, rotation * Left, name);
            AreEqual(up, rotation * Up, name);
            AreEqual(outwards, rotation * Out, name);
        }

        [Test]
        public void TheSubjectsLeftIsUnitysMinusX()
        {
            AreEqual(new Vector3(-0.25f, 0.5f, -0.75f), AxisConversion.Position(0.25f, 0.5f, -0.75f), "position");
        }

        [Test]
        public void AnEyeIsPitchedFirstAndThenTurned()
        {
            // A quarter down and then a quarter to the left: the eye still looks down.
            AreEqual(Down, AxisConversion.Eye(Quarter, Quarter) * Out, "gaze");
            AreEqual(Left, AxisConversion.Eye(0f, Quarter) * Out, "gaze");
        }

        [Test]
        public void AnAsymmetricPose()
        {
            var frame = new FaceFrame();
            new FrameReader().Read(GoldenPackets.FaceWink, 0, GoldenPackets.FaceWink.Length, frame);
            var gaze = AxisConversion.HeadRotation(frame) * Out;
            Assert.IsTrue(gaze.x < 0f, "the head is turned to the subject's left");
            Assert.IsTrue(gaze.y < 0f, "the head is nodded");
            Assert.IsTrue((AxisConversion.HeadRotation(frame) * Left).y > 0f, "the head is tilted to the right");
            var right = AxisConversion.RightEyeRotation(frame) * Out;
            Assert.IsTrue(right.x > 0f && right.y > 0f, "the right eye looks right and up");
            AreEqual(Out, AxisConversion.LeftEyeRotation(frame) * Out, "the left eye looks straight on");
            Assert.IsTrue((AxisConversion.JawRotation(frame) * Out).y < 0f, "the jaw is open");
            AreEqual(new Vector3(-0.0625f, -0.03125f, -0.625f), AxisConversion.HeadPosition(frame), "head");
        }

        [Test]
        public void NoRotationIsTheIdentity()
        {
            Assert.AreEqual(1f, AxisConversion.Rotation(0f, 0f, 0f).w, 0f);
        }

        static void AreEqual(Vector3 expected, Vector3 actual, string what)
        {
            Assert.AreEqual(expected.x, actual.x, 1e-5f, what + " x");
            Assert.AreEqual(expected.y, actual.y, 1e-5f, what + " y");
            Assert.AreEqual(expected.z, actual.z, 1e-5f, what + " z");
        }
    }
}
