using NUnit.Framework;

namespace AvatarDriver.Tests
{
    public class ShapeNamesTests
    {
        [TestCase("jawOpen", ArkitShape.JawOpen)]
        [TestCase("JawOpen", ArkitShape.JawOpen)]
        [TestCase("jaw_open", ArkitShape.JawOpen)]
        [TestCase("Face.M_F00_000_jawOpen", ArkitShape.JawOpen)]
        [TestCase("eyeBlink_L", ArkitShape.EyeBlinkLeft)]
        [TestCase("eyeBlink_R", ArkitShape.EyeBlinkRight)]
        [TestCase("EyeBlink.Right", ArkitShape.EyeBlinkRight)]
        [TestCase("head.mouthSmileLeft", ArkitShape.MouthSmileLeft)]
        [TestCase("jawLeft", ArkitShape.JawLeft)]
        [TestCase("mouth_L", ArkitShape.MouthLeft)]
        [TestCase("browInnerUp", ArkitShape.BrowInnerUp)]
        public void Found(string name, ArkitShape expected)
        {
            Assert.IsTrue(ShapeNames.TryFind(name, out var shape), name);
            Assert.AreEqual(expected, shape);
        }

        [TestCase("")]
        [TestCase("Blink")]
        [TestCase("eyeBlink")]
        [TestCase("notjawOpen")]
        [TestCase("jawOpenWide")]
        public void NotFound(string name)
        {
            Assert.IsTrue(!ShapeNames.TryFind(name, out _), name);
        }

        [Test]
        public void EveryShapeIsFoundByItsOwnName()
        {
            foreach (ArkitShape shape in System.Enum.GetValues(typeof(ArkitShape)))
            {
                Assert.IsTrue(ShapeNames.TryFind(shape.ToString(), out var found));
                Assert.AreEqual(shape, found);
            }
        }
    }
}
